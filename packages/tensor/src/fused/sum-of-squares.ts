import * as tf from '#tfjs'
import type { Scalar, Tensor } from '../types.ts'
import { type FusedOp, type Inputs, runFused } from './op.ts'

const op: FusedOp<Inputs, object> = {
  name: 'SumOfSquares',
  outputs: ['sum'],
  // the squares of one tensor at a time
  composed: (xs) => [tf.addN(Object.values(xs).map((x) => tf.tidy(() => tf.sum(tf.square(x!)))))],
}

/** The squares of all elements of all tensors, at least one, summed: the square of their joint norm. */
export function sumOfSquares(xs: readonly Tensor[]): Scalar {
  return runFused(op, Object.fromEntries(xs.map((x, i) => [`x${i}`, x])), {})[0] as Scalar
}
