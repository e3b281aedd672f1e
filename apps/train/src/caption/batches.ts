import { type Rng, type Tensor4D, tensor } from '@filature/tensor'
import { type BatchSource, type Position, ShuffledBatches } from '@filature/train'
import { clipMean, clipStd } from '@filature/vision'
import { type Alteration, alter, drawAlteration, unaltered } from './alter.ts'
import { type Drawings, type Emoji, SIDE } from './emoji.ts'

/** Pictures (B, 3, 64, 64), normalised as CLIP's are, and what they show. */
export interface Pictures {
  readonly pixels: Float32Array
  readonly emoji: readonly Emoji[]
}

/** Two pictures of each emoji, one behind the other; a question about the first, and its answer. */
export interface CaptionBatch extends Pictures {
  readonly questions: readonly string[]
  readonly answers: readonly string[]
}

/** What is asked: to name it, or to tell its kind. */
export interface Questions {
  readonly name: string
  readonly kind: string
}

/** How far pictures are altered, of what they can be. */
const STRENGTH = 0.8

/** Part of the questions that ask for the kind. */
const KINDS = 0.25

/**
 * Shuffled batches of altered pictures and questions; what is drawn depends on seed, epoch and place alone, so a run
 * resumes. `batchSize` counts emoji.
 */
export class CaptionBatches implements BatchSource<CaptionBatch> {
  readonly #drawings: Drawings
  readonly #order: ShuffledBatches
  readonly #questions: Questions
  readonly #rng: Rng

  constructor(drawings: Drawings, questions: Questions, { batchSize, rng }: { batchSize: number; rng: Rng }) {
    const count = drawings.emoji.length
    this.#drawings = drawings
    this.#questions = questions
    this.#rng = rng.fork('augmentation')
    this.#order = new ShuffledBatches({
      count,
      batchSize,
      rng: rng.fork('order'),
      dropLast: true,
    })
  }

  next(): CaptionBatch {
    const { epoch, batch } = this.#order.position as { epoch: number; batch: number }
    const rng = this.#rng.fork(epoch).fork(batch)
    const drawn = this.#order.next()
    const twice = Int32Array.from({ length: 2 * drawn.length }, (_, i) => drawn[i >> 1]!)
    const pictures = gather(this.#drawings, twice, (n) => drawAlteration(rng.fork(n), STRENGTH))
    const asked = Array.from(rng.uniform(drawn.length), (x) => (x < KINDS ? 'kind' : 'name'))
    return {
      ...pictures,
      questions: asked.map((what) => this.#questions[what]),
      answers: asked.map((what, i) => this.#drawings.emoji[drawn[i]!]![what]),
    }
  }

  get position(): Position {
    return this.#order.position
  }

  seek(position: Position): void {
    this.#order.seek(position)
  }
}

/** Some of the drawings, the n-th altered as `draw(n)` says. */
export function gather(
  { emoji, pixels: from }: Drawings,
  which: ArrayLike<number>,
  draw: (n: number) => Alteration = () => unaltered,
): Pictures {
  const size = SIDE * SIDE * 3
  const pixels = new Float32Array(which.length * size)
  for (let n = 0; n < which.length; n++) {
    const image = from.subarray(which[n]! * size, (which[n]! + 1) * size)
    const to = pixels.subarray(n * size, (n + 1) * size)
    alter(image, to, draw(n))
    normalise(to)
  }
  return { pixels, emoji: Array.from(which, (image) => emoji[image]!) }
}

/** (3, 64, 64) on 0..1, by CLIP's means and deviations. */
function normalise(pixels: Float32Array): void {
  const area = SIDE * SIDE
  for (let i = 0; i < pixels.length; i++) {
    const c = Math.floor(i / area)
    pixels[i] = (pixels[i]! - clipMean[c]!) / clipStd[c]!
  }
}

/** -> (B, 3, 64, 64), made in the surrounding tidy */
export const imageTensor = ({ pixels, emoji }: Pictures): Tensor4D =>
  tensor(pixels, [emoji.length, 3, SIDE, SIDE]) as Tensor4D
