import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import type { Tensor, Tensor3D, Tensor4D } from '../types.ts'
import { matMul } from './matmul.ts'

type Pair = number | readonly [number, number]
const pair = (value: Pair): [number, number] => (typeof value === 'number' ? [value, value] : [value[0], value[1]])

export interface WindowOptions {
  stride?: Pair
  padding?: Pair
  dilation?: Pair
}

/**
 * The windows of an image as columns, channel-major like a convolution weight: x (B, C, H, W) ->
 * (B, C * kh * kw, oh * ow). One gather, so that it has a gradient on every backend.
 */
function unfold(
  x: Tensor4D,
  kernel: [number, number],
  { stride = 1, padding = 0, dilation = 1 }: WindowOptions,
  padValue = 0,
): { columns: Tensor3D; out: [number, number] } {
  const [ph, pw] = pair(padding)
  const [sh, sw] = pair(stride)
  const [dh, dw] = pair(dilation)
  const padded =
    ph || pw
      ? tf.pad(
          x,
          [
            [0, 0],
            [0, 0],
            [ph, ph],
            [pw, pw],
          ],
          padValue,
        )
      : x
  const [B, C, H, W] = padded.shape
  const [kh, kw] = kernel
  const oh = Math.floor((H - dh * (kh - 1) - 1) / sh) + 1
  const ow = Math.floor((W - dw * (kw - 1) - 1) / sw) + 1
  if (oh < 1 || ow < 1) {
    throw new ShapeError('window-shape', `Windows of ${kh} x ${kw} do not fit an image of ${H} x ${W} (with padding).`)
  }
  const index = new Int32Array(kh * kw * oh * ow)
  let at = 0
  for (let i = 0; i < kh; i++) {
    for (let j = 0; j < kw; j++) {
      for (let r = 0; r < oh; r++) {
        for (let c = 0; c < ow; c++) index[at++] = (r * sh + i * dh) * W + c * sw + j * dw
      }
    }
  }
  const flat = tf.reshape(padded, [B, C, H * W])
  const columns = tf.gather(flat, tf.tensor1d(index, 'int32'), 2)
  return { columns: tf.reshape(columns, [B, C * kh * kw, oh * ow]) as Tensor3D, out: [oh, ow] }
}

/** Convolution as torch has it: x (B, C, H, W), weight (O, C, kh, kw), bias (O) -> (B, O, oh, ow) */
export function conv2d(x: Tensor4D, weight: Tensor4D, bias?: Tensor, options: WindowOptions = {}): Tensor4D {
  const [O, C, kh, kw] = weight.shape
  if (x.rank !== 4 || x.shape[1] !== C) {
    throw new ShapeError(
      'conv-shape',
      `conv2d: wanted x (B, ${C}, H, W) for weight [${weight.shape}], got [${x.shape}].`,
    )
  }
  const { columns, out } = unfold(x, [kh, kw], options)
  const flat = tf.reshape(weight, [1, O, C * kh * kw])
  let y: Tensor = matMul(flat as Tensor, columns) // (B, O, oh * ow)
  if (bias) y = tf.add(y, tf.reshape(bias, [O, 1]))
  return tf.reshape(y, [x.shape[0], O, ...out]) as Tensor4D
}

/** x (B, C, T), weight (O, C, k), bias (O) -> (B, O, T') */
export function conv1d(
  x: Tensor3D,
  weight: Tensor3D,
  bias?: Tensor,
  { stride = 1, padding = 0, dilation = 1 }: { stride?: number; padding?: number; dilation?: number } = {},
): Tensor3D {
  const y = conv2d(tf.expandDims(x, 2) as Tensor4D, tf.expandDims(weight, 2) as Tensor4D, bias, {
    stride: [1, stride],
    padding: [0, padding],
    dilation: [1, dilation],
  })
  return tf.squeeze(y, [2]) as Tensor3D
}

function windows(
  x: Tensor4D,
  kernel: Pair,
  options: WindowOptions,
  padValue: number,
): { x: Tensor; out: [number, number] } {
  const [B, C] = x.shape
  const [kh, kw] = pair(kernel)
  const { columns, out } = unfold(x, [kh, kw], { stride: [kh, kw], ...options }, padValue)
  return { x: tf.reshape(columns, [B, C, kh * kw, out[0] * out[1]]), out }
}

/** Greatest value of each window; the stride is the kernel by default. x (B, C, H, W) */
export function maxPool2d(x: Tensor4D, kernel: Pair, options: WindowOptions = {}): Tensor4D {
  const { x: columns, out } = windows(x, kernel, options, -3.4e38)
  return tf.reshape(tf.max(columns, 2), [x.shape[0], x.shape[1], ...out]) as Tensor4D
}

/** Mean of each window, padding counted as zeros; the stride is the kernel by default. x (B, C, H, W) */
export function avgPool2d(x: Tensor4D, kernel: Pair, options: WindowOptions = {}): Tensor4D {
  const { x: columns, out } = windows(x, kernel, options, 0)
  return tf.reshape(tf.mean(columns, 2), [x.shape[0], x.shape[1], ...out]) as Tensor4D
}
