import * as tf from '#tfjs'
import { ConfigError } from '../errors.ts'
import type { Tensor } from '../types.ts'

/** A per-channel vector (C) beside x (B, C, ...). */
function perChannel(v: Tensor, x: Tensor): Tensor {
  return tf.reshape(v, [1, x.shape[1]!, ...x.shape.slice(2).map(() => 1)])
}

/** Wu and He 2018: layer norm over each group of channels and all positions. x (B, C, ...), weight and bias (C) */
export function groupNorm<T extends Tensor>(x: T, groups: number, weight?: Tensor, bias?: Tensor, eps = 1e-5): T {
  const [B, C] = x.shape as [number, number]
  if (C % groups !== 0) {
    throw new ConfigError('group-norm', `groupNorm: ${C} channels must divide by ${groups} groups.`)
  }
  const rows = tf.reshape(x, [B, groups, -1])
  const centred = tf.sub(rows, tf.mean(rows, -1, true))
  const normed = tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), eps)))
  let y: Tensor = tf.reshape(normed, x.shape)
  if (weight) y = tf.mul(y, perChannel(weight, x))
  if (bias) y = tf.add(y, perChannel(bias, x))
  return y as T
}

/** Ioffe and Szegedy 2015 with given statistics, as at inference. x (B, C, ...), all vectors (C) */
export function batchNorm<T extends Tensor>(
  x: T,
  mean: Tensor,
  variance: Tensor,
  weight?: Tensor,
  bias?: Tensor,
  eps = 1e-5,
): T {
  const rstd = tf.rsqrt(tf.add(perChannel(variance, x), eps))
  let y: Tensor = tf.mul(tf.sub(x, perChannel(mean, x)), rstd)
  if (weight) y = tf.mul(y, perChannel(weight, x))
  if (bias) y = tf.add(y, perChannel(bias, x))
  return y as T
}
