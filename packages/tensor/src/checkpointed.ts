import { differentiate, gradientWanted } from './autodiff.ts'
import { engine } from './engine.ts'
import type { Module } from './module.ts'
import type { Parameter } from './parameter.ts'
import { enterScope, gradientTapInside, replayScope } from './run.ts'
import { parametersOf } from './tree.ts'
import type { Tensor } from './types.ts'

/** A tensor that gradients reach, and the place of its copy among the saved ones (a module keeps its own parameters). */
interface Source {
  readonly tensor: Tensor
  readonly parameter?: Parameter
  readonly saved?: number
}

/**
 * Gradient checkpointing (Chen et al. 2016): runs `fn` without keeping its activations and computes them again on the
 * way back, under the same run scope, the same stand-ins of parameters and the same random draws. Gradients reach
 * `inputs` and the parameters of `module`, exactly; tensors that `fn` closes over are constants.
 */
export function checkpointed<T extends Tensor, X extends Tensor[]>(
  module: Module,
  inputs: X,
  fn: (...inputs: X) => T,
): T {
  if (!engine.isTapeOn() || gradientTapInside(module)) return fn(...inputs)
  const scope = replayScope()
  const saves: Tensor[] = [...inputs]
  const sources = new Map<string, Source>(inputs.map((tensor, i) => [`input ${i}`, { tensor, saved: i }]))
  for (const [path, parameter] of parametersOf(module)) {
    if (parameter.isSubstituted) {
      sources.set(`parameter ${path}`, { tensor: parameter.value, parameter, saved: saves.length })
      saves.push(parameter.value)
    } else if (parameter.trainable && parameter.hasValue && !parameter.isPacked) {
      sources.set(`parameter ${path}`, { tensor: parameter.value, parameter })
    }
  }

  return engine.runKernelFunc({
    inputs: Object.fromEntries([...sources].map(([name, { tensor }]) => [name, tensor])),
    forwardFunc: (_, save) => {
      save(saves)
      return fn(...inputs)
    },
    backwardsFunc: (dy, saved) => {
      const replay = [...sources.values()].reduce(
        (run, { parameter, saved: at }) =>
          parameter && at !== undefined ? () => parameter.substitute(saved[at]!, run) : run,
        () => enterScope(scope, () => fn(...(saved.slice(0, inputs.length) as X))),
      )
      const wanted = [...sources].filter(([name]) => gradientWanted(name))
      const xs = wanted.map(([, { tensor, saved: at }]) => (at === undefined ? tensor : saved[at]!))
      const { grads } = differentiate(replay, xs, [dy as Tensor])
      return Object.fromEntries(wanted.map(([name], i) => [name, () => grads[i] as Tensor]))
    },
  }) as T
}
