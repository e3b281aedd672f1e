import { activate } from '@filature/command-line'
import { capture, parametersOf, Rng, type Tensor, tidy } from '@filature/tensor'
import { gradientStep } from '@filature/train'
import { beforeAll, expect, it } from 'vitest'
import { gather, imageTensor } from './batches.ts'
import { type Drawings, SIDE } from './emoji.ts'
import { CaptionLearner, headsOfLearner, wordsOf } from './learner.ts'
import {
  type CaptionShape,
  captionConfig,
  describeModel,
  learnTokenizer,
  openTokenizer,
  startCaption,
  usualShape,
} from './recipe.ts'
import { answersOf } from './score.ts'

beforeAll(async () => void (await activate({ backend: 'native,cpu', threads: 1 })))

const colours = { red: [220, 30, 40], green: [20, 160, 60], blue: [30, 60, 220] }
const inside: Record<string, (u: number, v: number) => boolean> = {
  ball: (u, v) => u * u + v * v < 400,
  bar: (u, v) => Math.abs(u) < 28 && Math.abs(v) < 8,
}

/** Six drawings: two forms in three colours. */
function shapes(): Drawings {
  const all = Object.keys(inside).flatMap((form) => Object.keys(colours).map((colour) => [colour, form] as const))
  const pixels = new Uint8Array(all.length * SIDE * SIDE * 3).fill(255)
  all.forEach(([colour, form], n) => {
    for (let i = 0; i < SIDE * SIDE; i++) {
      const [u, v] = [(i % SIDE) - SIDE / 2, Math.floor(i / SIDE) - SIDE / 2]
      if (inside[form]!(u, v)) pixels.set(colours[colour as 'red'], (n * SIDE * SIDE + i) * 3)
    }
  })
  const emoji = all.map(([colour, form], n) => {
    const name = `${colour} ${form}`
    return { file: `${n}.png`, name, kind: `shapes, ${form}`, family: name }
  })
  return { emoji, pixels }
}

const drawings = shapes()
const small = { vocab: 300, visionWidth: 64, visionDepth: 2, queries: 4, width: 64, layers: 1, batch: 6 }

function start(shape: Partial<CaptionShape>, steps: number) {
  const whole = { ...usualShape, ...shape }
  const tokenizer = openTokenizer(learnTokenizer(drawings.emoji, whole.vocab))
  const config = captionConfig(whole, tokenizer.vocabSize)
  const run = { command: 'caption' as const, data: '', sha256: '', seed: 3, steps, evaluateEvery: 1, saveEvery: 1 }
  return { config, tokenizer, recipe: startCaption({ ...whole, ...run }, config, tokenizer, drawings) }
}

/** Root mean square of x (B, ...), and of what tells its rows apart. */
function spread(x: Tensor): { all: number; between: number } {
  const values = x.dataSync() as Float32Array
  const [B, size] = [x.shape[0]!, values.length / x.shape[0]!]
  let [all, between] = [0, 0]
  for (let i = 0; i < size; i++) {
    const column = Array.from({ length: B }, (_, b) => values[b * size + i]!)
    const middle = column.reduce((a, b) => a + b) / B
    for (const value of column) {
      all += value ** 2
      between += (value - middle) ** 2
    }
  }
  return { all: Math.sqrt(all / values.length), between: Math.sqrt(between / values.length) }
}

it('shows the language model different things for different pictures from the start', () => {
  const { recipe } = start({ batch: 6 }, 1)
  using _ = recipe
  const { model } = recipe
  const see = () => tidy(() => void model.encodeImage(imageTensor(gather(drawings, [0, 2, 4]))))
  using seen = capture(model, ['image_embeds', 'image_tokens'], see)
  for (const [path, least] of [
    ['image_embeds', 0.3],
    ['image_tokens', 0.15],
  ] as const) {
    const { all, between } = spread(seen.activations.get(path)!)
    expect(between / all, path).toBeGreaterThan(least)
  }
})

it('learns to name what it sees, and its kind', async () => {
  const steps = 100
  const { recipe, config } = start(small, steps)
  using _ = recipe
  const { model, data, schedule } = recipe
  for (let step = 1; step <= steps; step++) {
    const batches = [await data.next()]
    const made = tidy(() => gradientStep({ ...recipe, batches, rng: new Rng(step), lr: schedule!(step) }))
    made.loss.dispose()
    made.norm?.dispose()
  }
  expect(await answersOf(model, config.prompt, drawings)).toEqual(drawings.emoji.map(({ name }) => name))
  expect(await answersOf(model, config.kind_prompt, drawings)).toEqual(drawings.emoji.map(({ kind }) => kind))
})

it('trains every parameter of the parts, and has heads that the saved model lacks', async () => {
  const { recipe, config, tokenizer } = start(small, 4)
  using _ = recipe
  using plain = describeModel(config, tokenizer)
  const batch = await recipe.data.next()
  const before = new Map<string, number[]>()
  for (const [path, p] of parametersOf(recipe.model)) before.set(path, [...((await p.value.data()) as Float32Array)])
  const made = tidy(() => gradientStep({ ...recipe, batches: [batch], rng: new Rng(0), lr: 1e-3 }))
  made.loss.dispose()
  made.norm?.dispose()
  for (const [path, p] of parametersOf(recipe.model)) {
    const after = (await p.value.data()) as Float32Array
    expect(
      after.some((x, i) => x !== before.get(path)![i]),
      path,
    ).toBe(true)
  }
  const own = [...before.keys()].filter((path) => headsOfLearner.test(path))
  expect(own.length).toBeGreaterThan(3)
  expect([...parametersOf(plain).keys(), ...own].sort()).toEqual([...before.keys()].sort())
  expect(recipe.model).toBeInstanceOf(CaptionLearner)
  expect(wordsOf(drawings.emoji)).toContain('shapes')
})
