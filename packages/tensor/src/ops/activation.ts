import * as tf from '#tfjs'
import { engine } from '../engine.ts'
import { ConfigError } from '../errors.ts'
import { type FusedOp, runFused } from '../fused/op.ts'
import type { Tensor } from '../types.ts'
import { clip } from './elementwise.ts'
import { erf } from './erf.ts'

/** Activations that fused ops know; `gelu` is the exact form, `gelu_tanh` its tanh approximation. */
export type ActivationKind = 'none' | 'relu' | 'gelu' | 'gelu_tanh' | 'silu' | 'tanh' | 'sigmoid' | 'quick_gelu'

/** The definition of each activation in plain ops. */
export function composedActivation<T extends Tensor>(x: T, kind: ActivationKind): T {
  switch (kind) {
    case 'none':
      return x
    case 'relu':
      return tf.relu(x)
    case 'tanh':
      return tf.tanh(x)
    case 'sigmoid':
      return tf.sigmoid(x)
    case 'silu':
      return tf.mul(x, tf.sigmoid(x))
    case 'quick_gelu':
      return tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)))
    case 'gelu':
      return tf.mul(tf.mul(x, 0.5), tf.add(erf(tf.mul(x, Math.SQRT1_2)), 1))
    case 'gelu_tanh': {
      const inner = tf.mul(tf.mul(x, Math.sqrt(2 / Math.PI)), tf.add(tf.mul(tf.square(x), 0.044715), 1))
      return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1))
    }
  }
}

const op: FusedOp<{ x: Tensor }, { kind: ActivationKind }> = {
  name: 'Activation',
  outputs: ['y'],
  saves: ['x', 'y'],
  composed: ({ x }, { kind }) => [composedActivation(x, kind)],
}

/** Any of the fused activations, elementwise. */
export function activation<T extends Tensor>(x: T, kind: ActivationKind): T {
  return kind === 'none' ? x : (runFused(op, { x }, { kind })[0] as T)
}

/** max(x, 0); the gradient at 0 is 0. */
export const relu = <T extends Tensor>(x: T): T => activation(x, 'relu')
/** x Phi(x) with the exact normal distribution function (Hendrycks and Gimpel 2016). */
export const gelu = <T extends Tensor>(x: T): T => activation(x, 'gelu')
/** The tanh approximation of GELU: `gelu_new`, `gelu_fast` and `gelu_pytorch_tanh` of Hugging Face. */
export const geluTanh = <T extends Tensor>(x: T): T => activation(x, 'gelu_tanh')
/** x sigmoid(1.702 x). */
export const quickGelu = <T extends Tensor>(x: T): T => activation(x, 'quick_gelu')
/** x sigmoid(x), also called swish. */
export const silu = <T extends Tensor>(x: T): T => activation(x, 'silu')
export const tanh = <T extends Tensor>(x: T): T => activation(x, 'tanh')
export const sigmoid = <T extends Tensor>(x: T): T => activation(x, 'sigmoid')

/** log(1 + exp(x)), without overflow. */
export function softplus<T extends Tensor>(x: T): T {
  return tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))))
}
/** log(sigmoid(x)), without underflow. */
export function logSigmoid<T extends Tensor>(x: T): T {
  return tf.neg(softplus(tf.neg(x)))
}
/** x tanh(softplus(x)) (Misra 2019). */
export function mish<T extends Tensor>(x: T): T {
  return tf.mul(x, tf.tanh(softplus(x)))
}
/** x above 0, slope x elsewhere; the gradient at 0 is the slope. */
export function leakyRelu<T extends Tensor>(x: T, slope = 0.01): T {
  return tf.add(tf.mul(tf.relu(x), 1 - slope), tf.mul(x, slope))
}
/** x above 0, alpha (exp(x) - 1) elsewhere (Clevert, Unterthiner and Hochreiter 2015). */
export function elu<T extends Tensor>(x: T, alpha = 1): T {
  // exp only where x < 0: no overflow in the branch not taken
  return tf.add(tf.relu(x), tf.mul(tf.sub(tf.exp(tf.minimum(x, 0)), 1), alpha))
}
/** Klambauer et al. 2017. */
export function selu<T extends Tensor>(x: T): T {
  return tf.mul(elu(x, 1.6732632423543772), 1.0507009873554805)
}
/** x within low..high; unlike `clip`'s, the gradient is zero on the bounds too, as torch has it. */
function limited<T extends Tensor>(x: T, low: number, high: number): T {
  return engine.runKernelFunc({
    inputs: { x },
    forwardFunc: (_, save) => {
      save([x])
      return clip(x, low, high)
    },
    backwardsFunc: (dy, [saved]) => ({
      x: () =>
        tf.where(tf.logicalAnd(tf.greater(saved!, low), tf.less(saved!, high)), dy as Tensor, tf.zerosLike(saved!)),
    }),
  }) as T
}
/** x within 0..6. */
export function relu6<T extends Tensor>(x: T): T {
  return limited(x, 0, 6)
}
/** x within -1..1. */
export function hardtanh<T extends Tensor>(x: T): T {
  return limited(x, -1, 1)
}

const byConfigName: Record<string, <T extends Tensor>(x: T) => T> = {
  relu,
  gelu,
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_10: (x) => clip(gelu(x), -10, 10),
  quick_gelu: quickGelu,
  silu,
  swish: silu,
  tanh,
  sigmoid,
  mish,
  relu6,
  linear: (x) => x,
}

/** The activation that a `config.json` names (`hidden_act`, `activation_function`), or the function itself. */
export function activationNamed(name: string | (<T extends Tensor>(x: T) => T)): <T extends Tensor>(x: T) => T {
  if (typeof name === 'function') return name
  const found = byConfigName[name]
  if (!found) {
    throw new ConfigError(
      'activation-unknown',
      `activationNamed: wanted one of ${Object.keys(byConfigName).join(', ')}, got '${name}'; or pass a function.`,
    )
  }
  return found
}
