import { differentiate } from './autodiff.ts'
import { UsageError } from './errors.ts'
import { type Module, parametersOf } from './module.ts'
import type { Scalar, Tensor } from './types.ts'

export interface ValueAndGrads {
  value: Scalar
  /** By path of the parameter; parameters the value does not depend on are left out. */
  grads: Map<string, Tensor>
  /** By name of the input. */
  inputGrads: Map<string, Tensor>
}

/**
 * The value of a scalar function of `model` and its gradients by every trainable parameter (and by `inputs`).
 * Everything returned is tracked by the surrounding tidy.
 */
export function valueAndGrads(model: Module, fn: () => Scalar, inputs: Record<string, Tensor> = {}): ValueAndGrads {
  const trainable = [...parametersOf(model)].filter(([, p]) => p.trainable)
  for (const [path, p] of trainable) {
    if (p.isPacked) {
      throw new UsageError(
        'packed-trainable',
        `valueAndGrads: ${path} is stored as ${p.store.format} and cannot be trained; freeze it, or load it as float32.`,
      )
    }
  }
  const names = Object.keys(inputs)
  const sources = [...trainable.map(([, p]) => p.value), ...names.map((name) => inputs[name]!)]
  const { value, grads } = differentiate(fn, sources)
  const named = (keys: readonly string[], offset: number) => {
    const out = new Map<string, Tensor>()
    keys.forEach((key, i) => {
      const gradient = grads[offset + i]
      if (gradient) out.set(key, gradient)
    })
    return out
  }
  return {
    value,
    grads: named(
      trainable.map(([path]) => path),
      0,
    ),
    inputGrads: named(names, trainable.length),
  }
}
