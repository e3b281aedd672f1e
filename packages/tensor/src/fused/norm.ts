import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import type { Tensor } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

type LayerNormInputs = { x: Tensor; weight: Tensor | undefined; bias: Tensor | undefined }

const layerNormOp: FusedOp<LayerNormInputs, { eps: number }> = {
  name: 'LayerNorm',
  outputs: ['y'],
  hidden: ['mean', 'rstd'],
  saves: ['x', 'weight', 'bias', 'mean', 'rstd'],
  composed: ({ x, weight, bias }, { eps }) => {
    const centred = tf.sub(x, tf.mean(x, -1, true))
    const variance = tf.mean(tf.square(centred), -1, true)
    let y = tf.mul(centred, tf.rsqrt(tf.add(variance, eps)))
    if (weight) y = tf.mul(y, weight)
    return [bias ? tf.add(y, bias) : y]
  },
}

const rmsNormOp: FusedOp<{ x: Tensor; weight: Tensor }, { eps: number }> = {
  name: 'RMSNorm',
  outputs: ['y'],
  hidden: ['rstd'],
  saves: ['x', 'weight', 'rstd'],
  composed: ({ x, weight }, { eps }) => {
    const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps))
    return [tf.mul(tf.mul(x, rstd), weight)]
  },
}

function checkWidth(who: string, x: Tensor, ...vectors: (Tensor | undefined)[]): void {
  const C = x.shape[x.rank - 1]
  for (const v of vectors) {
    if (v && (v.rank !== 1 || v.shape[0] !== C)) {
      throw new ShapeError(
        'norm-shape',
        `${who}: wanted weight and bias of [${C}] for x [${x.shape}], got [${v.shape}].`,
      )
    }
  }
}

/** Ba et al. 2016, over the last axis, with the biased variance. x (..., C), weight and bias (C) -> (..., C) */
export function layerNorm<T extends Tensor>(x: T, weight?: Tensor, bias?: Tensor, eps = 1e-5): T {
  checkWidth('layerNorm', x, weight, bias)
  return runFused(layerNormOp, { x, weight, bias }, { eps })[0] as T
}

/** Zhang and Sennrich 2019, over the last axis: x / sqrt(mean(x^2) + eps) * weight. x (..., C), weight (C) -> (..., C) */
export function rmsNorm<T extends Tensor>(x: T, weight: Tensor, eps = 1e-6): T {
  checkWidth('rmsNorm', x, weight)
  return runFused(rmsNormOp, { x, weight }, { eps })[0] as T
}
