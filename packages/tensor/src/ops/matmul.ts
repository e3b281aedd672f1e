import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import { sameShape, type Tensor } from '../types.ts'

/**
 * Matrix product over the last two axes; the leading axes broadcast, with gradients on every backend
 * (tfjs' own product of a batch and a single matrix cannot be differentiated).
 * a (..., M, K) or its transpose, b (..., K, N) or its transpose -> (..., M, N)
 * @throws ShapeError for vectors, and where the two K differ
 */
export function matMul<T extends Tensor>(
  a: T,
  b: Tensor,
  { transposeA = false, transposeB = false }: { transposeA?: boolean; transposeB?: boolean } = {},
): T {
  if (a.rank < 2 || b.rank < 2) {
    throw new ShapeError(
      'matmul-rank',
      `matMul: wanted two tensors of rank 2 or more, got [${a.shape}] and [${b.shape}]; reshape vectors to matrices.`,
    )
  }
  const [innerA, innerB] = [a.shape.at(transposeA ? -2 : -1), b.shape.at(transposeB ? -1 : -2)]
  if (innerA !== innerB) {
    throw new ShapeError(
      'matmul-inner',
      `matMul: wanted a (..., M, K) and b (..., K, N), got [${a.shape}]${transposeA ? ' transposed' : ''} and ` +
        `[${b.shape}]${transposeB ? ' transposed' : ''}: ${innerA} is not ${innerB}.`,
    )
  }
  const batchA = a.shape.slice(0, -2)
  const batchB = b.shape.slice(0, -2)
  if (sameShape(batchA, batchB)) return tf.matMul(a, b, transposeA, transposeB) as T
  if (batchB.length === 0 && !transposeA) {
    // One right-hand matrix for the whole batch: a single flat product.
    const [M, K] = a.shape.slice(-2) as [number, number]
    const flat = tf.matMul(tf.reshape(a, [-1, K]), b, false, transposeB)
    return tf.reshape(flat, [...batchA, M, flat.shape[1]!]) as T
  }
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB)
  const full = (x: Tensor) => tf.broadcastTo(x, [...batch, ...x.shape.slice(-2)])
  return tf.matMul(
    sameShape(batchA, batch) ? a : full(a),
    sameShape(batchB, batch) ? b : full(b),
    transposeA,
    transposeB,
  ) as T
}
