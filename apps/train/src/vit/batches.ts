import { type Rng, type Tensor4D, tensor } from '@filature/tensor'
import { type BatchSource, type Position, ShuffledBatches } from '@filature/train'
import type { LabelledImages } from './idx.ts'

/** Images (B, 1, h, w), standardised, and their classes (B). */
export interface ImageBatch {
  readonly pixels: Float32Array
  readonly labels: Int32Array
  readonly shape: readonly [batch: number, channels: 1, height: number, width: number]
}

/** Mean and standard deviation of Fashion-MNIST's training pixels, of 1. */
const MEAN = 0.286
const STD = 0.353

/** What makes each picture another one each time: moved by up to `shift` pixels, mirrored every second time. */
export interface Augmentation {
  readonly shift: number
  readonly flip: boolean
}

/** Shuffled batches, each picture altered; the alterations depend on seed, epoch and place alone, so a run resumes. */
export class AugmentedBatches implements BatchSource<ImageBatch> {
  readonly #images: LabelledImages
  readonly #order: ShuffledBatches
  readonly #augmentation: Augmentation
  readonly #rng: Rng

  constructor(images: LabelledImages, options: { batchSize: number; rng: Rng; augmentation: Augmentation }) {
    const { batchSize, rng, augmentation } = options
    this.#images = images
    this.#augmentation = augmentation
    this.#rng = rng.fork('augmentation')
    this.#order = new ShuffledBatches({
      count: images.count,
      batchSize,
      rng: rng.fork('order'),
      dropLast: true,
    })
  }

  get batchesPerEpoch(): number {
    return this.#order.batchesPerEpoch
  }

  next(): ImageBatch {
    const { epoch, batch } = this.#order.position as { epoch: number; batch: number }
    const rng = this.#rng.fork(epoch).fork(batch)
    return gather(this.#images, this.#order.next(), () => {
      const { shift, flip } = this.#augmentation
      const [dx, dy] = [rng.integer(2 * shift + 1) - shift, rng.integer(2 * shift + 1) - shift]
      return { dx, dy, mirrored: rng.integer(2) === 1 && flip }
    })
  }

  get position(): Position {
    return this.#order.position
  }

  seek(position: Position): void {
    this.#order.seek(position)
  }
}

interface Alteration {
  readonly dx: number
  readonly dy: number
  readonly mirrored: boolean
}

const none = (): Alteration => ({ dx: 0, dy: 0, mirrored: false })

/** The images of these numbers; what moves in from outside is black. */
export function gather(images: LabelledImages, which: ArrayLike<number>, alter: () => Alteration = none): ImageBatch {
  const { height, width, pixels: from, labels: classes } = images
  const size = height * width
  const black = -MEAN / STD
  const pixels = new Float32Array(which.length * size).fill(black)
  const labels = new Int32Array(which.length)
  for (let n = 0; n < which.length; n++) {
    const image = which[n]!
    labels[n] = classes[image]!
    const { dx, dy, mirrored } = alter()
    for (let y = Math.max(0, dy); y < Math.min(height, height + dy); y++) {
      for (let x = Math.max(0, dx); x < Math.min(width, width + dx); x++) {
        const at = mirrored ? width - 1 - (x - dx) : x - dx
        pixels[n * size + y * width + x] = (from[image * size + (y - dy) * width + at]! / 255 - MEAN) / STD
      }
    }
  }
  return { pixels, labels, shape: [which.length, 1, height, width] }
}

/** -> (B, 1, h, w), made in the surrounding tidy */
export const imageTensor = ({ pixels, shape }: ImageBatch): Tensor4D => tensor(pixels, [...shape]) as Tensor4D
