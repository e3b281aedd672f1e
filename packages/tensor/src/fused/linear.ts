import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import { type ActivationKind, composedActivation } from '../ops/activation.ts'
import type { Tensor } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

type Inputs = { x: Tensor; weight: Tensor; bias: Tensor | undefined }

const op: FusedOp<Inputs, { activation: ActivationKind }> = {
  name: 'Linear',
  outputs: ['y'],
  hidden: ['z'],
  saves: ['x', 'weight', 'bias', 'z'],
  composed: ({ x, weight, bias }, { activation }) => {
    const [O, I] = weight.shape as [number, number]
    const flat = tf.matMul(tf.reshape(x, [-1, I]), weight as tf.Tensor2D, false, true) // (N, O)
    const z = tf.reshape(bias ? tf.add(flat, bias) : flat, [...x.shape.slice(0, -1), O])
    return [composedActivation(z, activation)]
  },
}

/** activation(x weight^T + bias); x (..., I), weight (O, I), bias (O) -> (..., O) */
export function linear<T extends Tensor>(x: T, weight: Tensor, bias?: Tensor, activation: ActivationKind = 'none'): T {
  const I = x.shape[x.rank - 1]
  if (weight.rank !== 2 || weight.shape[1] !== I || (bias && (bias.rank !== 1 || bias.shape[0] !== weight.shape[0]))) {
    throw new ShapeError(
      'linear-shape',
      `linear: wanted x (..., I), weight (O, I), bias (O); got x [${x.shape}], weight [${weight.shape}]` +
        `${bias ? `, bias [${bias.shape}]` : ''}; weights are stored (out, in).`,
    )
  }
  return runFused(op, { x, weight, bias }, { activation })[0] as T
}
