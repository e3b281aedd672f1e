import type { MiniGPT4 } from '@filature/minigpt4'
import { dispose, tidy } from '@filature/tensor'
import { gather, imageTensor } from './batches.ts'
import { type Drawings, type Emoji, SIDE } from './emoji.ts'

/** Both between 0 and 1. */
export interface Score {
  /** Part of the names that are right to the letter. */
  readonly exact: number
  /** Mean harmonic mean of the words' precision and recall, each word as often as it stands. */
  readonly wordF1: number
}

export function scoreOf(said: readonly string[], names: readonly string[]): Score {
  const all = said.map((text, i) => ({ exact: text === names[i] ? 1 : 0, f1: wordF1(text, names[i]!) }))
  const mean = (pick: (one: { exact: number; f1: number }) => number) =>
    all.reduce((sum, one) => sum + pick(one), 0) / Math.max(1, all.length)
  return { exact: mean(({ exact }) => exact), wordF1: mean(({ f1 }) => f1) }
}

export function wordF1(said: string, name: string): number {
  const words = (text: string) => text.split(' ').filter((word) => word !== '')
  const left = words(name)
  const [a, b] = [words(said).length, left.length]
  let common = 0
  for (const word of words(said)) {
    const at = left.indexOf(word)
    if (at < 0) continue
    left.splice(at, 1)
    common++
  }
  return common === 0 ? 0 : (2 * common) / (a + b)
}

const BATCH = 50
const LONGEST = 24

/** What the model answers to one question about each drawing, greedily. */
export async function answersOf(model: MiniGPT4, question: string, drawings: Drawings): Promise<string[]> {
  const said: string[] = []
  for (const pictures of batchesOf(drawings)) {
    const image = tidy(() => imageTensor(pictures))
    const prompts = pictures.emoji.map(() => question)
    const { rows } = await model.answer({ prompts, image }, { maxNewTokens: LONGEST })
    said.push(...rows.map(({ ids }) => model.codec.decode(ids).trim()))
    dispose(image)
  }
  return said
}

function* batchesOf(drawings: Drawings) {
  const count = drawings.emoji.length
  for (let from = 0; from < count; from += BATCH) {
    yield gather(
      drawings,
      Int32Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => from + i),
    )
  }
}

/** The baseline: the learned emoji whose drawing's pixels, 16 x 16 of them, are nearest by squared distance. */
export function nearestEmoji(learned: Drawings, asked: Drawings): Emoji[] {
  const [from, to] = [thumbnails(learned), thumbnails(asked)]
  return asked.emoji.map((_, i) => {
    let best = { at: 0, distance: Number.POSITIVE_INFINITY }
    learned.emoji.forEach((_, j) => {
      let distance = 0
      for (let k = 0; k < THUMBNAIL && distance < best.distance; k++) {
        distance += (to[i * THUMBNAIL + k]! - from[j * THUMBNAIL + k]!) ** 2
      }
      if (distance < best.distance) best = { at: j, distance }
    })
    return learned.emoji[best.at]!
  })
}

const SMALL = 16
const THUMBNAIL = SMALL * SMALL * 3

/** Means over squares of four by four pixels: small shifts between drawings count less. */
function thumbnails({ emoji, pixels }: Drawings): Float32Array {
  const out = new Float32Array(emoji.length * THUMBNAIL)
  const step = SIDE / SMALL
  for (let i = 0; i < pixels.length; i++) {
    const c = i % 3
    const x = Math.floor(i / 3) % SIDE
    const y = Math.floor(i / 3 / SIDE) % SIDE
    const image = Math.floor(i / 3 / SIDE / SIDE)
    const at = (Math.floor(y / step) * SMALL + Math.floor(x / step)) * 3 + c
    out[image * THUMBNAIL + at]! += pixels[i]! / step ** 2
  }
  return out
}
