import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import type { Tensor } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

const op: FusedOp<{ weight: Tensor; ids: Tensor }, { paddingIdx: number | null }> = {
  name: 'Embedding',
  outputs: ['y'],
  saves: ['weight', 'ids'],
  composed: ({ weight, ids }, { paddingIdx }) => {
    const rows = tf.gather(weight as tf.Tensor2D, tf.reshape(ids, [-1]) as tf.Tensor1D)
    const [N, C] = rows.shape as [number, number]
    let y: Tensor = rows
    if (paddingIdx !== null) {
      // the padding row's value passes, its gradient does not
      const isPad = tf.broadcastTo(tf.reshape(tf.equal(tf.reshape(ids, [-1]), paddingIdx), [N, 1]), [N, C])
      const constant = tf.tidy(() => tf.slice(weight, [paddingIdx, 0], [1, C]))
      y = tf.where(isPad, detached(constant, [N, C]), rows)
    }
    return [tf.reshape(y, [...ids.shape, C])]
  },
}

/** The values without their gradient. */
function detached(x: Tensor, shape: [number, number]): Tensor {
  return tf.customGrad((row) => ({
    value: tf.broadcastTo(row as Tensor, shape),
    gradFunc: () => tf.zerosLike(row as Tensor),
  }))(x)
}

/** Rows of a table: weight (V, C), ids int32 (...) -> (..., C). Ids must lie in 0..V-1 (see `checkIds`). */
export function embedding<R extends Tensor = Tensor>(weight: Tensor, ids: Tensor, paddingIdx: number | null = null): R {
  if (weight.rank !== 2 || ids.dtype !== 'int32') {
    throw new ShapeError(
      'embedding-shape',
      `embedding: wanted weight (V, C) and int32 ids, got weight [${weight.shape}] and ${ids.dtype} ids [${ids.shape}].`,
    )
  }
  return runFused(op, { weight, ids }, { paddingIdx })[0] as R
}
