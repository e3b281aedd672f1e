import * as tf from '#tfjs'
import { ConfigError } from './errors.ts'
import { atLabel, type Reduction, reducedCrossEntropy } from './fused/cross-entropy.ts'
import { logSigmoid } from './ops/activation.ts'
import type { Scalar, Tensor } from './types.ts'

export type { Reduction }

function reduceBy(x: Tensor, reduction: Reduction): Tensor {
  if (reduction === 'none') return x
  return reduction === 'sum' ? tf.sum(x) : tf.mean(x)
}

export interface CrossEntropyOptions {
  reduction?: Reduction
  ignoreIndex?: number
  labelSmoothing?: number
  /** Weight of each class (V). */
  weight?: Tensor
}

/**
 * Cross-entropy of ids, as torch's: 'mean' divides by the number (or the summed class weight) of labels that are not
 * ignored, 'none' gives 0 at ignored ones. logits (..., V), labels int32 (...)
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { reduction = 'mean', ignoreIndex = -100, labelSmoothing = 0, weight }: CrossEntropyOptions = {},
): Tensor {
  const V = logits.shape[logits.rank - 1]!
  const rows = logits.rank === 2 ? logits : tf.reshape(logits, [-1, V])
  const ids = labels.rank === 1 ? labels : tf.reshape(labels, [-1])
  if (!weight) {
    const loss = reducedCrossEntropy(rows, ids, { ignoreIndex, labelSmoothing, reduction })
    return reduction === 'none' ? tf.reshape(loss, labels.shape) : loss
  }
  const isKept = tf.notEqual(ids, ignoreIndex)
  const kept = tf.cast(isKept, 'float32')
  const safe = tf.where(isKept, ids, tf.zerosLike(ids)) as tf.Tensor1D
  const logp = tf.logSoftmax(rows)
  const ofLabel = tf.mul(tf.gather(weight, safe), kept)
  const hit = tf.mul(tf.neg(atLabel(logp, ids)), ofLabel)
  const spread = tf.mul(tf.mul(tf.sum(tf.mul(logp, weight), 1), -1 / V), kept)
  const loss = tf.add(tf.mul(hit, 1 - labelSmoothing), tf.mul(spread, labelSmoothing))
  if (reduction === 'none') return tf.reshape(loss, labels.shape)
  return reduction === 'sum' ? tf.sum(loss) : tf.div(tf.sum(loss), tf.sum(ofLabel))
}

/** Cross-entropy against class probabilities: mean over rows of -sum p log softmax. logits, target (N, V) */
export function softCrossEntropy(logits: Tensor, target: Tensor, reduction: Reduction = 'mean'): Tensor {
  return reduceBy(tf.neg(tf.sum(tf.mul(target, tf.logSoftmax(logits)), -1)), reduction)
}

export function mseLoss(x: Tensor, target: Tensor, reduction: Reduction = 'mean'): Tensor {
  return reduceBy(tf.square(tf.sub(x, target)), reduction)
}

export function l1Loss(x: Tensor, target: Tensor, reduction: Reduction = 'mean'): Tensor {
  return reduceBy(tf.abs(tf.sub(x, target)), reduction)
}

/** Huber 1964: quadratic within `delta`, linear beyond. */
export function huberLoss(x: Tensor, target: Tensor, { delta = 1, reduction = 'mean' as Reduction } = {}): Tensor {
  const d = tf.abs(tf.sub(x, target))
  const inside = tf.minimum(d, delta)
  return reduceBy(tf.mul(inside, tf.sub(d, tf.mul(inside, 0.5))), reduction)
}

/** Huber's loss over beta (Girshick 2015). */
export function smoothL1Loss(x: Tensor, target: Tensor, { beta = 1, reduction = 'mean' as Reduction } = {}): Tensor {
  return tf.div(huberLoss(x, target, { delta: beta, reduction }), beta)
}

/** Binary cross-entropy of logits against targets in 0..1. */
export function bceWithLogitsLoss(x: Tensor, target: Tensor, reduction: Reduction = 'mean'): Tensor {
  const positive = tf.mul(target, logSigmoid(x))
  const negative = tf.mul(tf.sub(1, target), logSigmoid(tf.neg(x)))
  return reduceBy(tf.neg(tf.add(positive, negative)), reduction)
}

/** KL(target || exp(logInput)); 'batchmean' divides by the first axis. `target` are probabilities. */
export function klDivLoss(logInput: Tensor, target: Tensor, reduction: Reduction | 'batchmean' = 'batchmean'): Tensor {
  const positive = tf.greater(target, 0)
  const safe = tf.where(positive, target, tf.onesLike(target))
  const terms = tf.mul(target, tf.sub(tf.log(safe), logInput))
  if (reduction === 'batchmean') return tf.div(tf.sum(terms), logInput.shape[0]!) as Scalar
  return reduceBy(terms, reduction)
}

/** -logp[label] of each row, labels that are `ignoreIndex` left out. logp (N, V), labels int32 (N) */
export function nllLoss(
  logp: Tensor,
  labels: Tensor,
  { reduction = 'mean' as Reduction, ignoreIndex = -100 } = {},
): Tensor {
  if (logp.rank !== 2) throw new ConfigError('nll-rank', `nllLoss: wanted logp (N, V), got [${logp.shape}].`)
  const kept = tf.notEqual(labels, ignoreIndex)
  const hit = tf.neg(atLabel(logp, labels))
  const loss = tf.where(kept, hit, tf.zerosLike(hit)) as Tensor
  if (reduction !== 'mean') return reduceBy(loss, reduction)
  return tf.div(tf.sum(loss), tf.sum(tf.cast(kept, 'float32')))
}
