import { differentiate, gradientWanted } from './autodiff.ts'
import { engine } from './engine.ts'
import { type Module, parametersOf } from './module.ts'
import type { Parameter } from './parameter.ts'
import { enterScope, gradientTapInside, replayScope } from './scope.ts'
import type { Tensor } from './types.ts'

/** A tensor that gradients reach, and the place of its copy among the saved ones (a module keeps its own parameters). */
interface Source {
  readonly tensor: Tensor
  readonly parameter?: Parameter
  readonly saved?: number
}

const isTensor = (x: unknown): x is Tensor => typeof x === 'object' && x !== null && 'dataId' in x && 'shape' in x

/** The tree with each of its tensors replaced; anything but tensors, arrays and plain objects passes as it is. */
function mapTensors(tree: unknown, fn: (x: Tensor) => Tensor): unknown {
  if (isTensor(tree)) return fn(tree)
  if (Array.isArray(tree)) return tree.map((branch) => mapTensors(branch, fn))
  if (typeof tree !== 'object' || tree === null || Object.getPrototypeOf(tree) !== Object.prototype) return tree
  return Object.fromEntries(Object.entries(tree).map(([key, branch]) => [key, mapTensors(branch, fn)]))
}

/**
 * Gradient checkpointing (Chen et al. 2016): runs `fn` without keeping its activations and computes them again on the
 * way back, under the same run scope, the same stand-ins of parameters and the same random draws. Gradients reach
 * `inputs` and the parameters of `module`, exactly.
 * @param inputs every tensor that `fn` reads and `module` does not hold, masks too: a tensor, or arrays and objects of
 *   them; they are kept for the way back, where `fn` gets their copies. A tensor that `fn` merely closes over may be gone.
 */
export function checkpointed<T extends Tensor, X>(module: Module, inputs: X, fn: (inputs: X) => T): T {
  if (!engine.isTapeOn() || gradientTapInside(module)) return fn(inputs)
  const scope = replayScope()
  const saves: Tensor[] = []
  mapTensors(inputs, (x) => {
    saves.push(x)
    return x
  })
  const count = saves.length
  const sources = new Map<string, Source>(saves.map((tensor, i) => [`input ${i}`, { tensor, saved: i }]))
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
      return fn(inputs)
    },
    backwardsFunc: (dy, saved) => {
      const copies = saved.slice(0, count).values()
      const again = mapTensors(inputs, () => copies.next().value!) as X
      const replay = [...sources.values()].reduce(
        (run, { parameter, saved: at }) =>
          parameter && at !== undefined ? () => parameter.substitute(saved[at]!, run) : run,
        () => enterScope(scope, () => fn(again)),
      )
      const wanted = [...sources].filter(([name]) => gradientWanted(name))
      const xs = wanted.map(([, { tensor, saved: at }]) => (at === undefined ? tensor : saved[at]!))
      const { grads } = differentiate(replay, xs, [dy as Tensor])
      return Object.fromEntries(wanted.map(([name], i) => [name, () => grads[i] as Tensor]))
    },
  }) as T
}
