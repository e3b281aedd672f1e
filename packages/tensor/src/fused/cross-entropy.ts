import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import type { Tensor, Tensor1D } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

type Attributes = { ignoreIndex: number; labelSmoothing: number }

const op: FusedOp<{ logits: Tensor; labels: Tensor }, Attributes> = {
  name: 'SoftmaxCrossEntropy',
  outputs: ['loss'],
  hidden: ['lse'],
  saves: ['logits', 'labels', 'lse'],
  composed: ({ logits, labels }, { ignoreIndex, labelSmoothing }) => {
    const V = logits.shape[1]!
    const kept = tf.notEqual(labels, ignoreIndex)
    const safe = tf.where(kept, labels, tf.zerosLike(labels)) as Tensor1D
    const logp = tf.logSoftmax(logits)
    const hit = tf.neg(tf.sum(tf.mul(logp, tf.oneHot(safe, V, 1, 0, 'float32')), 1))
    const loss =
      labelSmoothing === 0 ? hit : tf.add(tf.mul(hit, 1 - labelSmoothing), tf.mul(tf.mean(logp, 1), -labelSmoothing))
    return [tf.mul(loss, tf.cast(kept, 'float32'))]
  },
}

/**
 * -log softmax(logits)[label] of each row, 0 where the label is `ignoreIndex`; with smoothing e,
 * (1 - e) times that plus e times the mean over classes. logits (N, V), labels int32 (N) -> (N)
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { ignoreIndex = -100, labelSmoothing = 0 }: Partial<Attributes> = {},
): Tensor1D {
  if (logits.rank !== 2 || labels.rank !== 1 || labels.shape[0] !== logits.shape[0] || labels.dtype !== 'int32') {
    throw new ShapeError(
      'cross-entropy-shape',
      `softmaxCrossEntropy: wanted logits (N, V) and int32 labels (N), got [${logits.shape}] and ` +
        `${labels.dtype} [${labels.shape}]; flatten batch and time first.`,
    )
  }
  return runFused(op, { logits, labels }, { ignoreIndex, labelSmoothing })[0] as Tensor1D
}
