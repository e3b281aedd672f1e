import * as tf from '#tfjs'
import type { Tensor } from '../types.ts'

type Axis = number | number[]

// Reductions name their result's type by the caller: `const m = mean<Tensor3D>(x, -1, true)`.

export function sum<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  return tf.sum(x, axis, keepDims) as R
}
export function mean<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  return tf.mean(x, axis, keepDims) as R
}
export function max<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  return tf.max(x, axis, keepDims) as R
}
export function min<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  return tf.min(x, axis, keepDims) as R
}
export function prod<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  const positive = (a: number) => (a < 0 ? x.rank + a : a) // tfjs' gradient does not know negative axes
  return tf.prod(x, typeof axis === 'object' ? axis.map(positive) : axis && positive(axis), keepDims) as R
}
/** Index of the greatest element along `axis`; the first one among equals. */
export function argMax<R extends Tensor = Tensor>(x: Tensor, axis = -1): R {
  return tf.argMax(x, axis < 0 ? x.rank + axis : axis) as R
}
export function cumsum<T extends Tensor>(x: T, axis = -1): T {
  const last = x.rank - 1
  const along = axis < 0 ? x.rank + axis : axis
  if (along === last) return tf.cumsum(x, last)
  // always over the last axis: tfjs' gradient is wrong over any other
  const swap = x.shape.map((_, i) => (i === along ? last : i === last ? along : i))
  return tf.transpose(tf.cumsum(tf.transpose(x, swap), last), swap)
}
/** The k greatest elements of the last axis, descending, with their indices. No gradient. */
export function topK<T extends Tensor>(x: T, k: number): { values: T; indices: T } {
  return tf.topk(x, k, true)
}

/** Softmax over the last axis. */
export function softmax<T extends Tensor>(x: T): T {
  return tf.softmax(x)
}
export function logSoftmax<T extends Tensor>(x: T): T {
  return tf.logSoftmax(x)
}
/** log(sum(exp(x))) over `axis`, without overflow. */
export function logSumExp<R extends Tensor = Tensor>(x: Tensor, axis: Axis = -1, keepDims = false): R {
  return tf.logSumExp(x, axis, keepDims) as R
}
