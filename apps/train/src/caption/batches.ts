import { type Rng, type Tensor4D, tensor } from '@filature/tensor'
import { type BatchSource, type Position, ShuffledBatches } from '@filature/train'
import { clipMean, clipStd } from '@filature/vision'
import { type Drawings, SIDE } from './emoji.ts'

/** Pictures (B, 3, 64, 64), normalised as CLIP's are, and their names. */
export interface CaptionBatch {
  readonly pixels: Float32Array
  readonly names: readonly string[]
}

/** Where a picture's pixel (x, y) comes from, and how its colours change. */
interface Alteration {
  readonly scale: number
  readonly dx: number
  readonly dy: number
  /** Factor and summand of each channel, on 0..1. */
  readonly gain: readonly number[]
  readonly lift: readonly number[]
}

const none: Alteration = { scale: 1, dx: 0, dy: 0, gain: [1, 1, 1], lift: [0, 0, 0] }

/** Another artist draws larger or smaller, elsewhere, in other colours: so do the altered pictures. */
function drawAlteration(rng: Rng): Alteration {
  const [scale, dx, dy] = [rng.uniform(1, 0.8, 1.15)[0]!, ...rng.uniform(2, -5, 5)] as [number, number, number]
  return { scale, dx, dy, gain: [...rng.uniform(3, 0.75, 1.2)], lift: [...rng.uniform(3, -0.08, 0.08)] }
}

/** Shuffled batches of altered pictures; what is drawn depends on seed, epoch and place alone, so a run resumes. */
export class CaptionBatches implements BatchSource<CaptionBatch> {
  readonly #drawings: Drawings
  readonly #order: ShuffledBatches
  readonly #rng: Rng

  constructor(drawings: Drawings, { batchSize, rng }: { batchSize: number; rng: Rng }) {
    const count = drawings.emoji.length
    this.#drawings = drawings
    this.#rng = rng.fork('augmentation')
    this.#order = new ShuffledBatches({
      count,
      batchSize: Math.min(batchSize, count),
      rng: rng.fork('order'),
      dropLast: true,
    })
  }

  next(): CaptionBatch {
    const { epoch, batch } = this.#order.position as { epoch: number; batch: number }
    const rng = this.#rng.fork(epoch).fork(batch)
    return gather(this.#drawings, this.#order.next(), () => drawAlteration(rng))
  }

  get position(): Position {
    return this.#order.position
  }

  seek(position: Position): void {
    this.#order.seek(position)
  }
}

export function gather(
  { emoji, pixels: from }: Drawings,
  which: ArrayLike<number>,
  alter: () => Alteration = () => none,
): CaptionBatch {
  const size = SIDE * SIDE * 3
  const pixels = new Float32Array(which.length * size)
  const names: string[] = []
  for (let n = 0; n < which.length; n++) {
    const image = which[n]!
    names.push(emoji[image]!.name)
    write(from.subarray(image * size, (image + 1) * size), pixels.subarray(n * size, (n + 1) * size), alter())
  }
  return { pixels, names }
}

/** One picture (64, 64, 3) in bytes as (3, 64, 64): moved and scaled about the middle, bilinear, white outside. */
function write(from: Uint8Array, to: Float32Array, { scale, dx, dy, gain, lift }: Alteration): void {
  const plain = scale === 1 && dx === 0 && dy === 0
  const middle = (SIDE - 1) / 2
  const at = (x: number, y: number, c: number) =>
    x < 0 || y < 0 || x >= SIDE || y >= SIDE ? 255 : from[(y * SIDE + x) * 3 + c]!
  for (let y = 0; y < SIDE; y++) {
    const sy = (y - middle - dy) / scale + middle
    const y0 = Math.floor(sy)
    const fy = sy - y0
    for (let x = 0; x < SIDE; x++) {
      const sx = (x - middle - dx) / scale + middle
      const x0 = Math.floor(sx)
      const fx = sx - x0
      for (let c = 0; c < 3; c++) {
        const value = plain
          ? at(x, y, c)
          : (1 - fy) * ((1 - fx) * at(x0, y0, c) + fx * at(x0 + 1, y0, c)) +
            fy * ((1 - fx) * at(x0, y0 + 1, c) + fx * at(x0 + 1, y0 + 1, c))
        // White stays white: the paper has no colour of its own.
        const shade = Math.min(1, Math.max(0, 1 - gain[c]! * (1 - value / 255) + (value < 250 ? lift[c]! : 0)))
        to[(c * SIDE + y) * SIDE + x] = (shade - clipMean[c]!) / clipStd[c]!
      }
    }
  }
}

/** -> (B, 3, 64, 64), made in the surrounding tidy */
export const imageTensor = ({ pixels, names }: CaptionBatch): Tensor4D =>
  tensor(pixels, [names.length, 3, SIDE, SIDE]) as Tensor4D
