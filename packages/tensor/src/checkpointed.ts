import { differentiate, gradientWanted } from './autodiff.ts'
import { engine } from './engine.ts'
import type { Module } from './module.ts'
import { enterScope, gradientTapInside, replayScope } from './run.ts'
import { parametersOf } from './tree.ts'
import type { Tensor } from './types.ts'

/**
 * Gradient checkpointing (Chen et al. 2016): runs `fn` without keeping its activations and computes them again on the
 * way back, under the same run scope and the same random draws. Gradients reach `inputs` and the parameters of
 * `module`, exactly; tensors that `fn` closes over are constants.
 */
export function checkpointed<T extends Tensor, X extends Tensor[]>(
  module: Module,
  inputs: X,
  fn: (...inputs: X) => T,
): T {
  if (!engine.isTapeOn() || gradientTapInside(module)) return fn(...inputs)
  const scope = replayScope()
  const sources: Record<string, Tensor> = {}
  inputs.forEach((x, i) => {
    sources[`input${i}`] = x
  })
  for (const [path, p] of parametersOf(module)) if (p.trainable && p.hasValue && !p.isPacked) sources[path] = p.value

  return engine.runKernelFunc({
    inputs: sources,
    forwardFunc: (_, save) => {
      save(inputs)
      return fn(...inputs)
    },
    backwardsFunc: (dy, saved) => {
      const names = Object.keys(sources).filter(gradientWanted)
      const xs = names.map((name) => (name.startsWith('input') ? saved[Number(name.slice(5))]! : sources[name]!))
      const { grads } = differentiate(() => enterScope(scope, () => fn(...(saved as X))), xs, [dy as Tensor])
      return Object.fromEntries(names.map((name, i) => [name, () => grads[i] as Tensor]))
    },
  }) as T
}
