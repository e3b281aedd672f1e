import * as tf from '#tfjs'
import type { OfShape, Shape, Tensor } from '../types.ts'

/** The same elements in another shape; one axis may be -1. */
export function reshape<const S extends Shape>(x: Tensor, shape: S): OfShape<S> {
  return tf.reshape(x, shape as unknown as number[]) as unknown as OfShape<S>
}
/** The axes in another order: axis i of the result is axis `axes[i]` of x; reversed when left out. */
export function transpose<T extends Tensor>(x: T, axes?: number[]): T {
  return tf.transpose(x, axes)
}
/** A new axis of length 1 at place `axis`. (..., ...) -> (..., 1, ...) */
export function expandDims<R extends Tensor = Tensor>(x: Tensor, axis = 0): R {
  return tf.expandDims(x, axis) as R
}
/** Without its axes of length 1, all of them or those named. */
export function squeeze<R extends Tensor = Tensor>(x: Tensor, axes?: number[]): R {
  return tf.squeeze(x, axes) as R
}
/** x repeated along new leading axes and along axes of length 1, to `shape`. */
export function broadcastTo<const S extends Shape>(x: Tensor, shape: S): OfShape<S> {
  return tf.broadcastTo(x, shape as unknown as number[]) as unknown as OfShape<S>
}
/** x repeated `reps[i]` times along axis i. */
export function tile<T extends Tensor>(x: T, reps: number[]): T {
  return tf.tile(x, reps)
}
/** Tensors one behind the other along an axis; the other axes must be equal. */
export function concat<T extends Tensor>(xs: T[], axis = 0): T {
  return tf.concat(xs, axis)
}
/** Tensors of one shape along a new axis of length `xs.length`. */
export function stack<R extends Tensor = Tensor>(xs: Tensor[], axis = 0): R {
  return tf.stack(xs, axis) as R
}
/** The slices along an axis, without it: `stack` in reverse. */
export function unstack<R extends Tensor = Tensor>(x: Tensor, axis = 0): R[] {
  const along = axis < 0 ? x.rank + axis : axis
  // one part alone is taken by reshape or clone: tfjs' gradients of unstack and split want a list
  if (x.shape[along] === 1) return [tf.squeeze(x, [along]) as Tensor as R]
  return tf.unstack(x, axis) as R[]
}
/** Parts of equal size, or of the given sizes, along `axis`. */
export function split<T extends Tensor>(x: T, parts: number | number[], axis = 0): T[] {
  if ((typeof parts === 'number' ? parts : parts.length) === 1) return [tf.clone(x)]
  return tf.split(x, parts, axis)
}
/** `size` elements from `begin`; -1 in `size` means to the end, axes not named are taken whole. */
export function slice<T extends Tensor>(x: T, begin: number[], size?: number[]): T {
  return tf.slice(x, begin, size) as T
}
/** Elements begin..end-1 of one axis; a negative bound counts from the end. */
export function narrow<T extends Tensor>(x: T, axis: number, begin: number, end: number = x.shape[axis]!): T {
  const a = axis < 0 ? x.rank + axis : axis
  const n = x.shape[a]!
  const from = begin < 0 ? n + begin : begin
  const to = end < 0 ? n + end : Math.min(end, n)
  const start = x.shape.map((_, i) => (i === a ? from : 0))
  const size = x.shape.map((d, i) => (i === a ? to - from : d))
  return tf.slice(x, start, size) as T
}
/** Rows of `x` along `axis` picked by int32 `indices`; differentiable in `x`. */
export function gather<R extends Tensor = Tensor>(x: Tensor, indices: Tensor, axis = 0): R {
  return tf.gather(x, indices as tf.Tensor1D, axis) as unknown as R
}
/** `value` put before and behind each axis: paddings [[before, behind], ...], one pair an axis. */
export function pad<T extends Tensor>(x: T, paddings: [number, number][], value = 0): T {
  return tf.pad(x, paddings, value)
}
/** The elements of an axis, or of several, in reverse order. */
export function reverse<T extends Tensor>(x: T, axis: number | number[]): T {
  return tf.reverse(x, axis)
}
