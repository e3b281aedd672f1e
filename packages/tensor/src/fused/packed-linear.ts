import * as tf from '#tfjs'
import { engine } from '../engine.ts'
import { type ActivationKind, activation } from '../ops/activation.ts'
import type { Parameter } from '../parameter.ts'
import type { Tensor, Tensor2D } from '../types.ts'
import { linear } from './linear.ts'

/**
 * A product with a frozen packed weight. Its numbers are decoded at most for the product and again on the way back, never
 * kept, so that training through a packed layer holds no float32 copy of it. Gradients reach x and bias.
 */
function packedProduct(x: Tensor, weight: Parameter): Tensor {
  return engine.runKernelFunc({
    inputs: { x },
    forwardFunc: () => weight.store.product(x),
    backwardsFunc: (dy) => ({
      x: () => {
        const [O, I] = weight.shape as [number, number]
        const flat = tf.reshape(dy as Tensor, [-1, O])
        return tf.reshape(tf.matMul(flat, weight.store.dense() as Tensor2D), [...x.shape.slice(0, -1), I])
      },
    }),
  }) as Tensor
}

/** `linear` by a parameter, in whatever format its store has. */
export function linearBy<T extends Tensor>(x: T, weight: Parameter, bias?: Tensor, kind: ActivationKind = 'none'): T {
  if (!weight.isPacked) return linear(x, weight.value, bias, kind)
  const z = packedProduct(x, weight)
  return activation(bias ? tf.add(z, bias) : z, kind) as T
}
