import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import type { Tensor, Tensor3D } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

const op: FusedOp<{ a: Tensor; b: Tensor; v: Tensor }, object> = {
  name: 'AdditiveScores',
  outputs: ['scores'],
  saves: ['a', 'b', 'v'],
  composed: ({ a, b, v }) => {
    const hidden = tf.tanh(tf.add(tf.expandDims(a, 2), tf.expandDims(b, 1))) // (B, T, S, A)
    const [B, T, S, A] = hidden.shape as [number, number, number, number]
    return [tf.reshape(tf.matMul(tf.reshape(hidden, [-1, A]), tf.reshape(v, [A, 1])), [B, T, S])]
  },
}

/**
 * v . tanh(a_t + b_s), the scores of additive attention (Bahdanau et al. 2015, appendix A.1.2); kernels never hold the
 * hidden layer. a (B, T, A), b (B, S, A), v (A) -> (B, T, S)
 */
export function additiveScores(a: Tensor3D, b: Tensor3D, v: Tensor): Tensor3D {
  const [B, , A] = a.shape
  if (a.rank !== 3 || b.rank !== 3 || v.rank !== 1 || b.shape[0] !== B || b.shape[2] !== A || v.shape[0] !== A) {
    throw new ShapeError(
      'additive-shape',
      `additiveScores: wanted a (B, T, A), b (B, S, A), v (A); got a [${a.shape}], b [${b.shape}], v [${v.shape}].`,
    )
  }
  return runFused(op, { a, b, v }, {})[0] as Tensor3D
}
