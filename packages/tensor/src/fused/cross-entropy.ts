import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import type { Tensor, Tensor1D } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

/** 'mean' divides by the number of labels that are not ignored. */
export type Reduction = 'none' | 'mean' | 'sum'
type Attributes = { ignoreIndex: number; labelSmoothing: number; reduction: Reduction }

/** logp[label] of each row, 0 for a label outside 0..V-1. Other columns may be -inf. logp (N, V), labels int32 (N) -> (N) */
export function atLabel(logp: Tensor, labels: Tensor): Tensor1D {
  const [N, V] = logp.shape as [number, number]
  const here = tf.equal(tf.reshape(labels, [N, 1]), tf.reshape(tf.range(0, V, 1, 'int32'), [1, V])) // (N, V)
  return tf.sum(tf.where(here, logp, tf.zerosLike(logp)), 1) as Tensor1D
}

/** Each label's loss (N): 0 where it is ignored, NaN, never a small loss, where it is neither that nor a class. */
export function counted(loss: Tensor, labels: Tensor, V: number, ignoreIndex: number): Tensor {
  const known = tf.logicalAnd(tf.greaterEqual(labels, 0), tf.less(labels, V))
  const checked = tf.where(known, loss, tf.fill(loss.shape, Number.NaN))
  return tf.where(tf.notEqual(labels, ignoreIndex), checked, tf.zerosLike(loss))
}

const op: FusedOp<{ logits: Tensor; labels: Tensor }, Attributes> = {
  name: 'SoftmaxCrossEntropy',
  outputs: ['loss'],
  hidden: ['lse'],
  saves: ['logits', 'labels', 'lse'],
  composed: ({ logits, labels }, { ignoreIndex, labelSmoothing, reduction }) => {
    const logp = tf.logSoftmax(logits)
    const hit = tf.neg(atLabel(logp, labels))
    const loss =
      labelSmoothing === 0 ? hit : tf.add(tf.mul(hit, 1 - labelSmoothing), tf.mul(tf.mean(logp, 1), -labelSmoothing))
    const rows = counted(loss, labels, logits.shape[1]!, ignoreIndex)
    if (reduction === 'none') return [rows]
    if (reduction === 'sum') return [tf.sum(rows)]
    return [tf.div(tf.sum(rows), tf.sum(tf.cast(tf.notEqual(labels, ignoreIndex), 'float32')))]
  },
}

/**
 * -log softmax(logits)[label] of each row, 0 where the label is `ignoreIndex`; with smoothing e,
 * (1 - e) times that plus e times the mean over classes. logits (N, V), labels int32 (N) -> (N)
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { ignoreIndex = -100, labelSmoothing = 0 }: Partial<Omit<Attributes, 'reduction'>> = {},
): Tensor1D {
  return reducedCrossEntropy(logits, labels, { ignoreIndex, labelSmoothing, reduction: 'none' }) as Tensor1D
}

/** The same, reduced in the one kernel: (N), or a scalar. */
export function reducedCrossEntropy(logits: Tensor, labels: Tensor, attrs: Attributes): Tensor {
  if (logits.rank !== 2 || labels.rank !== 1 || labels.shape[0] !== logits.shape[0] || labels.dtype !== 'int32') {
    throw new ShapeError(
      'cross-entropy-shape',
      `softmaxCrossEntropy: wanted logits (N, V) and int32 labels (N), got [${logits.shape}] and ` +
        `${labels.dtype} [${labels.shape}]; flatten batch and time first.`,
    )
  }
  return runFused(op, { logits, labels }, attrs)[0]!
}
