import * as tf from '#tfjs'
import type { Tensor4D } from '../types.ts'
import { matMul } from './matmul.ts'

export type Interpolation = 'nearest' | 'bilinear' | 'bicubic'

/** Keys' cubic convolution kernel with a = -0.75, as torch has it without antialiasing. */
function cubic(t: number): number {
  const a = -0.75
  const d = Math.abs(t)
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
}

/** The (to, from) matrix that resamples one axis. */
function axisMatrix(from: number, to: number, mode: Interpolation, alignCorners: boolean): Float32Array {
  const matrix = new Float32Array(to * from)
  const put = (row: number, column: number, weight: number) => {
    const index = row * from + Math.min(Math.max(column, 0), from - 1)
    matrix[index] = matrix[index]! + weight
  }
  for (let row = 0; row < to; row++) {
    if (mode === 'nearest') {
      put(row, Math.floor((row * from) / to), 1)
      continue
    }
    const centre = alignCorners ? (to > 1 ? (row * (from - 1)) / (to - 1) : 0) : ((row + 0.5) * from) / to - 0.5
    const at = mode === 'bilinear' ? Math.max(centre, 0) : centre
    const base = Math.floor(at)
    const t = at - base
    if (mode === 'bilinear') {
      put(row, base, 1 - t)
      put(row, base + 1, t)
    } else {
      for (let tap = -1; tap <= 2; tap++) put(row, base + tap, cubic(t - tap))
    }
  }
  return matrix
}

function alongBoth(x: Tensor4D, rows: Float32Array, columns: Float32Array, oh: number, ow: number): Tensor4D {
  const [B, C, H, W] = x.shape
  const wide = matMul(tf.reshape(x, [B * C * H, W]), tf.tensor2d(columns, [ow, W]), { transposeB: true })
  const tall = matMul(tf.tensor3d(rows, [1, oh, H]), tf.reshape(wide, [B * C, H, ow]))
  return tf.reshape(tall, [B, C, oh, ow]) as Tensor4D
}

/** Resizes images as torch's `interpolate` does, without antialiasing. x (B, C, H, W), size [oh, ow] -> (B, C, oh, ow) */
export function interpolate(
  x: Tensor4D,
  size: readonly [number, number],
  mode: Interpolation,
  { alignCorners = false } = {},
): Tensor4D {
  const [oh, ow] = size
  return alongBoth(
    x,
    axisMatrix(x.shape[2], oh, mode, alignCorners),
    axisMatrix(x.shape[3], ow, mode, alignCorners),
    oh,
    ow,
  )
}

/** The (to, from) matrix of torch's adaptive average windows: floor(i from / to) ... ceil((i + 1) from / to) - 1. */
function adaptiveMatrix(from: number, to: number): Float32Array {
  const matrix = new Float32Array(to * from)
  for (let row = 0; row < to; row++) {
    const begin = Math.floor((row * from) / to)
    const end = Math.ceil(((row + 1) * from) / to)
    matrix.fill(1 / (end - begin), row * from + begin, row * from + end)
  }
  return matrix
}

/** Means over windows chosen so that the result has the given size. x (B, C, H, W) -> (B, C, oh, ow) */
export function adaptiveAvgPool2d(x: Tensor4D, size: readonly [number, number]): Tensor4D {
  const [oh, ow] = size
  return alongBoth(x, adaptiveMatrix(x.shape[2], oh), adaptiveMatrix(x.shape[3], ow), oh, ow)
}
