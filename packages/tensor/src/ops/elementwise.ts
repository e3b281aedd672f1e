import * as tf from '#tfjs'
import { sameShape, type Tensor } from '../types.ts'

type Operand = Tensor | number

// Binary ops broadcast as NumPy does; the result has the type of `a`, so `a` is the operand of full rank.

export function add<T extends Tensor>(a: T, b: Operand): T {
  return tf.add(a, b)
}
export function sub<T extends Tensor>(a: T, b: Operand): T {
  return tf.sub(a, b)
}
export function mul<T extends Tensor>(a: T, b: Operand): T {
  return tf.mul(a, b)
}
export function div<T extends Tensor>(a: T, b: Operand): T {
  return tf.div(a, b)
}
export function pow<T extends Tensor>(a: T, b: Operand): T {
  return tf.pow(a, b as Tensor) as T
}
export function maximum<T extends Tensor>(a: T, b: Operand): T {
  return tf.maximum(...aligned(a, b)) as T
}
export function minimum<T extends Tensor>(a: T, b: Operand): T {
  return tf.minimum(...aligned(a, b)) as T
}

/** Operands of one shape: tfjs' gradients of maximum and minimum do not sum over broadcast axes. */
function aligned(a: Tensor, b: Operand): [Tensor, Operand] {
  if (typeof b === 'number' || sameShape(a.shape, b.shape)) return [a, b]
  const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape)
  return [tf.broadcastTo(a, shape), tf.broadcastTo(b, shape)]
}

/** Sum of tensors of one shape. */
export function addN<T extends Tensor>(xs: T[]): T {
  return tf.addN(xs)
}

export function equal<T extends Tensor>(a: T, b: Operand): T {
  return tf.equal(a, b as Tensor)
}
export function notEqual<T extends Tensor>(a: T, b: Operand): T {
  return tf.notEqual(a, b as Tensor)
}
export function less<T extends Tensor>(a: T, b: Operand): T {
  return tf.less(a, b as Tensor)
}
export function lessEqual<T extends Tensor>(a: T, b: Operand): T {
  return tf.lessEqual(a, b as Tensor)
}
export function greater<T extends Tensor>(a: T, b: Operand): T {
  return tf.greater(a, b as Tensor)
}
export function greaterEqual<T extends Tensor>(a: T, b: Operand): T {
  return tf.greaterEqual(a, b as Tensor)
}
export function logicalAnd<T extends Tensor>(a: T, b: Tensor): T {
  return tf.logicalAnd(a, b)
}
export function logicalOr<T extends Tensor>(a: T, b: Tensor): T {
  return tf.logicalOr(a, b)
}
export function logicalNot<T extends Tensor>(a: T): T {
  return tf.logicalNot(a)
}
/** `a` where `condition`, else `b`; all three broadcast. */
export function where<T extends Tensor>(condition: Tensor, a: T, b: Tensor): T {
  return tf.where(condition, a, b) as T
}

export function neg<T extends Tensor>(x: T): T {
  return tf.neg(x)
}
export function abs<T extends Tensor>(x: T): T {
  return tf.abs(x)
}
export function sign<T extends Tensor>(x: T): T {
  return tf.sign(x)
}
export function exp<T extends Tensor>(x: T): T {
  return tf.exp(x)
}
export function log<T extends Tensor>(x: T): T {
  return tf.log(x)
}
export function log1p<T extends Tensor>(x: T): T {
  return tf.log1p(x)
}
export function sqrt<T extends Tensor>(x: T): T {
  return tf.sqrt(x)
}
export function rsqrt<T extends Tensor>(x: T): T {
  return tf.rsqrt(x)
}
export function square<T extends Tensor>(x: T): T {
  return tf.square(x)
}
export function reciprocal<T extends Tensor>(x: T): T {
  return tf.reciprocal(x)
}
export function sin<T extends Tensor>(x: T): T {
  return tf.sin(x)
}
export function cos<T extends Tensor>(x: T): T {
  return tf.cos(x)
}
export function floor<T extends Tensor>(x: T): T {
  return tf.floor(x)
}
/** Limits every element to low..high; the gradient is zero outside. NaN stays (tfjs' wasm clipByValue makes it low). */
export function clip<T extends Tensor>(x: T, low: number, high: number): T {
  return tf.minimum(tf.maximum(x, low), high) as T
}
