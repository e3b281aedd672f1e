import * as tf from '#tfjs'
import { engine } from '../engine.ts'
import type { Tensor, Tensor2D } from '../types.ts'

type Axis = number | number[]

// Reductions are over `axis` (one or several, from the end when negative), over everything when it is left out; keepDims
// leaves length 1 in its place. They name their result's type by the caller: `const m = mean<Tensor3D>(x, -1, true)`.

/** Sum over `axis`, or over all elements. */
export function sum<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  return tf.sum(x, axis, keepDims) as R
}
/** Arithmetic mean over `axis`, or over all elements. */
export function mean<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  return tf.mean(x, axis, keepDims) as R
}
/** Greatest element along `axis`, or of all. Of equal ones each gets the whole gradient. */
export function max<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  return tf.max(x, axis, keepDims) as R
}
/** Least element along `axis`, or of all; its gradient as that of `max`. */
export function min<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  return tf.min(x, axis, keepDims) as R
}
/** Product over `axis`; its gradient also holds where elements are zero. */
export function prod<R extends Tensor = Tensor>(x: Tensor, axis?: Axis, keepDims = false): R {
  const axes = tf.util.parseAxisParam(axis ?? x.shape.map((_, i) => i), x.shape)
  const others = x.shape.map((_, i) => i).filter((i) => !axes.includes(i))
  const size = axes.reduce((n, i) => n * x.shape[i]!, 1)
  const rows = tf.reshape(tf.transpose(x, [...others, ...axes]), [x.size / Math.max(size, 1), size]) as Tensor2D
  const kept = keepDims ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d)) : others.map((i) => x.shape[i]!)
  return tf.reshape(prodOfRows(rows), kept) as R
}

/** (N, C) -> (N). tfjs' gradient knows no negative axes and runs a cumulative product backwards, wrong on its GPU engine. */
function prodOfRows(x: Tensor2D): Tensor {
  return engine.runKernelFunc({
    inputs: { x },
    forwardFunc: (_, save) => {
      save([x])
      return tf.prod(x, 1)
    },
    backwardsFunc: (dy, [saved]) => ({
      x: () => {
        const before = tf.cumprod(saved!, 1, true)
        const after = tf.reverse(tf.cumprod(tf.reverse(saved!, 1), 1, true), 1)
        return tf.mul(tf.expandDims(dy as Tensor, 1), tf.mul(before, after))
      },
    }),
  }) as Tensor
}
/** Index of the greatest element along `axis`; the first one among equals. */
export function argMax<R extends Tensor = Tensor>(x: Tensor, axis = -1): R {
  return tf.argMax(x, axis < 0 ? x.rank + axis : axis) as R
}
/** Sums of the elements up to and with each one, along `axis`; the last axis by default. */
export function cumsum<T extends Tensor>(x: T, axis = -1): T {
  const last = x.rank - 1
  const along = axis < 0 ? x.rank + axis : axis
  if (along === last) return cumsumOfLast(x)
  const swap = x.shape.map((_, i) => (i === along ? last : i === last ? along : i))
  return tf.transpose(cumsumOfLast(tf.transpose(x, swap)), swap)
}

/** tfjs' gradient is wrong over any axis but the last, and runs backwards, which its GPU engine does wrongly. */
function cumsumOfLast<T extends Tensor>(x: T): T {
  const last = x.rank - 1
  return engine.runKernelFunc({
    inputs: { x },
    forwardFunc: () => tf.cumsum(x, last),
    backwardsFunc: (dy) => ({ x: () => tf.reverse(tf.cumsum(tf.reverse(dy as Tensor, last), last), last) }),
  }) as T
}
/** The k greatest elements of the last axis, descending, with their indices. No gradient. */
export function topK<T extends Tensor>(x: T, k: number): { values: T; indices: T } {
  return tf.topk(x, k, true)
}

/** Softmax over the last axis. */
export function softmax<T extends Tensor>(x: T): T {
  return tf.softmax(x)
}
/** log(softmax(x)) over the last axis, without underflow. */
export function logSoftmax<T extends Tensor>(x: T): T {
  return tf.logSoftmax(x)
}
/** log(sum(exp(x))) over `axis`, without overflow. */
export function logSumExp<R extends Tensor = Tensor>(x: Tensor, axis: Axis = -1, keepDims = false): R {
  return tf.logSumExp(x, axis, keepDims) as R
}
