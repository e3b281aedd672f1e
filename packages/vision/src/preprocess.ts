import { ShapeError, stack, type Tensor3D, type Tensor4D, tensor } from '@filature/tensor'
import type { Size } from './grid.ts'
import { type Image, type ResizeFilter, resize } from './resize.ts'

export interface PreprocessOptions {
  /** Height and width that the model wants. */
  size: Size
  mean?: readonly number[]
  std?: readonly number[]
  filter?: ResizeFilter
}

/** Statistics of CLIP's training images, which EVA, BLIP-2 and MiniGPT-4 share. */
export const clipMean = [0.48145466, 0.4578275, 0.40821073] as const
export const clipStd = [0.26862954, 0.26130258, 0.27577711] as const

/** Resized to `size`, scaled to 0..1, then (x - mean) / std for each channel. -> (channels, height, width) */
export function preprocess(image: Image, options: PreprocessOptions): Tensor3D {
  const { size, mean = clipMean, std = clipStd, filter = 'bicubic' } = options
  const [height, width] = typeof size === 'number' ? [size, size] : size
  const { channels } = image
  if (mean.length !== channels || std.length !== channels) {
    throw new ShapeError(
      'preprocess-channels',
      `preprocess: wanted a mean and std for each of ${channels} channels, got ${mean.length} and ${std.length}.`,
    )
  }
  const { data } = resize(image, [height, width], filter)
  const pixels = height * width
  const values = new Float32Array(channels * pixels)
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) values[c * pixels + i] = (data[i * channels + c]! / 255 - mean[c]!) / std[c]!
  }
  return tensor(values, [channels, height, width])
}

/** Several images of any sizes as one batch. -> (B, channels, height, width) */
export function preprocessBatch(images: readonly Image[], options: PreprocessOptions): Tensor4D {
  return stack<Tensor4D>(images.map((image) => preprocess(image, options)))
}
