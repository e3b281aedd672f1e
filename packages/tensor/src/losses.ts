import * as tf from '#tfjs'
import { ConfigError } from './errors.ts'
import { atLabel, counted, type Reduction, reducedCrossEntropy } from './fused/cross-entropy.ts'
import { logSigmoid } from './ops/activation.ts'
import type { Scalar, Tensor } from './types.ts'

export type { Reduction }

/** What a loss gives: a scalar, or with 'none' the loss of each element. */
export type Reduced<R> = R extends 'none' ? Tensor : Scalar

export interface LossOptions<R = Reduction> {
  /** 'mean' by default. */
  reduction?: R
}

function reduceBy<R extends Reduction>(x: Tensor, reduction: R): Reduced<R> {
  return (reduction === 'none' ? x : reduction === 'sum' ? tf.sum(x) : tf.mean(x)) as Reduced<R>
}

export interface CrossEntropyOptions<R = Reduction> extends LossOptions<R> {
  /** Labels of this id do not count; -100 by default. */
  ignoreIndex?: number
  /** Part of the target that is spread over all classes, 0 to 1; 0 by default. */
  labelSmoothing?: number
  /** Weight of each class (V). */
  weight?: Tensor
}

/**
 * Cross-entropy of ids, as torch's: 'mean' divides by the number (or the summed class weight) of labels that are not
 * ignored, 'none' gives 0 at ignored ones. A label that is neither a class nor ignored gives NaN, or an error where the
 * backend looks. logits (..., V), labels int32 (...) -> scalar, or (...)
 * @throws ShapeError where the shapes do not fit or labels are not int32
 */
export function crossEntropy<R extends Reduction = 'mean'>(
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions<R> = {},
): Reduced<R> {
  return idsLoss(logits, labels, options) as Reduced<R>
}

function idsLoss(
  logits: Tensor,
  labels: Tensor,
  { reduction = 'mean', ignoreIndex = -100, labelSmoothing = 0, weight }: CrossEntropyOptions,
): Tensor {
  const V = logits.shape[logits.rank - 1]!
  const rows = logits.rank === 2 ? logits : tf.reshape(logits, [-1, V])
  const ids = labels.rank === 1 ? labels : tf.reshape(labels, [-1])
  if (!weight) {
    const loss = reducedCrossEntropy(rows, ids, { ignoreIndex, labelSmoothing, reduction })
    return reduction === 'none' ? tf.reshape(loss, labels.shape) : loss
  }
  const logp = tf.logSoftmax(rows)
  const isClass = tf.logicalAnd(tf.greaterEqual(ids, 0), tf.less(ids, V))
  const safe = tf.where(isClass, ids, tf.zerosLike(ids)) as tf.Tensor1D
  const ofLabel = tf.mul(tf.gather(weight, safe), tf.cast(tf.notEqual(ids, ignoreIndex), 'float32'))
  const hit = tf.mul(tf.neg(atLabel(logp, ids)), ofLabel)
  const spread = tf.mul(tf.sum(tf.mul(logp, weight), 1), -1 / V)
  const mixed = tf.add(tf.mul(hit, 1 - labelSmoothing), tf.mul(spread, labelSmoothing))
  const loss = counted(mixed, ids, V, ignoreIndex)
  if (reduction === 'none') return tf.reshape(loss, labels.shape)
  return reduction === 'sum' ? tf.sum(loss) : tf.div(tf.sum(loss), tf.sum(ofLabel))
}

/** Cross-entropy against class probabilities: -sum p log softmax of each row. logits, target (..., V) -> scalar, or (...) */
export function softCrossEntropy<R extends Reduction = 'mean'>(
  logits: Tensor,
  target: Tensor,
  { reduction = 'mean' as R }: LossOptions<R> = {},
): Reduced<R> {
  return reduceBy(tf.neg(tf.sum(tf.mul(target, tf.logSoftmax(logits)), -1)), reduction)
}

/** (x - target)^2. x, target (...) -> scalar, or (...) */
export function mseLoss<R extends Reduction = 'mean'>(
  x: Tensor,
  target: Tensor,
  { reduction = 'mean' as R }: LossOptions<R> = {},
): Reduced<R> {
  return reduceBy(tf.square(tf.sub(x, target)), reduction)
}

/** |x - target|. x, target (...) -> scalar, or (...) */
export function l1Loss<R extends Reduction = 'mean'>(
  x: Tensor,
  target: Tensor,
  { reduction = 'mean' as R }: LossOptions<R> = {},
): Reduced<R> {
  return reduceBy(tf.abs(tf.sub(x, target)), reduction)
}

/** Huber 1964: quadratic within `delta`, linear beyond. x, target (...) -> scalar, or (...) */
export function huberLoss<R extends Reduction = 'mean'>(
  x: Tensor,
  target: Tensor,
  { delta = 1, reduction = 'mean' as R }: LossOptions<R> & { delta?: number } = {},
): Reduced<R> {
  const d = tf.abs(tf.sub(x, target))
  const inside = tf.minimum(d, delta)
  return reduceBy(tf.mul(inside, tf.sub(d, tf.mul(inside, 0.5))), reduction)
}

/** Huber's loss over beta (Girshick 2015). x, target (...) -> scalar, or (...) */
export function smoothL1Loss<R extends Reduction = 'mean'>(
  x: Tensor,
  target: Tensor,
  { beta = 1, reduction = 'mean' as R }: LossOptions<R> & { beta?: number } = {},
): Reduced<R> {
  return tf.div(huberLoss(x, target, { delta: beta, reduction }) as Tensor, beta) as Reduced<R>
}

/** Binary cross-entropy of logits x against targets in 0..1. x, target (...) -> scalar, or (...) */
export function bceWithLogitsLoss<R extends Reduction = 'mean'>(
  x: Tensor,
  target: Tensor,
  { reduction = 'mean' as R }: LossOptions<R> = {},
): Reduced<R> {
  const positive = tf.mul(target, logSigmoid(x))
  const negative = tf.mul(tf.sub(1, target), logSigmoid(tf.neg(x)))
  return reduceBy(tf.neg(tf.add(positive, negative)), reduction)
}

/**
 * KL(target || exp(logInput)); 'batchmean', the default, divides the sum by the first axis. `target` are probabilities.
 * logInput, target (N, ...) -> scalar, or (N, ...)
 */
export function klDivLoss<R extends Reduction | 'batchmean' = 'batchmean'>(
  logInput: Tensor,
  target: Tensor,
  { reduction = 'batchmean' as R }: LossOptions<R> = {},
): Reduced<R> {
  const positive = tf.greater(target, 0)
  const safe = tf.where(positive, target, tf.onesLike(target))
  const terms = tf.mul(target, tf.sub(tf.log(safe), logInput))
  if (reduction === 'batchmean') return tf.div(tf.sum(terms), logInput.shape[0]!) as Reduced<R>
  return reduceBy(terms, reduction as Reduction) as Reduced<R>
}

/**
 * -logp[label] of each row, labels that are `ignoreIndex` left out; NaN where a label is no class. logp (N, V), labels
 * int32 (N) -> scalar, or (N)
 * @throws ConfigError where logp is not a matrix
 */
export function nllLoss<R extends Reduction = 'mean'>(
  logp: Tensor,
  labels: Tensor,
  { reduction = 'mean' as R, ignoreIndex = -100 }: LossOptions<R> & { ignoreIndex?: number } = {},
): Reduced<R> {
  if (logp.rank !== 2) throw new ConfigError('nll-rank', `nllLoss: wanted logp (N, V), got [${logp.shape}].`)
  const loss = counted(tf.neg(atLabel(logp, labels)), labels, logp.shape[1]!, ignoreIndex)
  if (reduction !== 'mean') return reduceBy(loss, reduction)
  return tf.div(tf.sum(loss), tf.sum(tf.cast(tf.notEqual(labels, ignoreIndex), 'float32'))) as Reduced<R>
}
