import { type Module, modulesOf } from './module.ts'
import type { Rng } from './rng.ts'
import { currentScope, enterScope, type Paths, type Tapping } from './scope.ts'

/** Found out when they are first asked for: most runs ask for none. */
function pathsOf(root: Module): () => Paths {
  let paths: Paths | undefined
  return () => {
    paths ??= new Map(modulesOf(root).map(([path, module]) => [module, path]))
    return paths
  }
}

/**
 * Runs `fn` in training mode: dropout and stochastic depth draw from `rng`, keyed by the drawing module's path below
 * `model` and the number of its draw. Pass `rng.fork(step)` for fresh draws at each step.
 */
export function training<T>(model: Module, rng: Rng, fn: () => T): T {
  return enterScope({ ...currentScope(), training: { rng, paths: pathsOf(model), calls: new Map() } }, fn)
}

/** Runs `fn` in inference mode inside a training run. */
export function inference<T>(fn: () => T): T {
  return enterScope({ ...currentScope(), training: undefined }, fn)
}

/** Whether a training run is going on, in which dropout draws. */
export function isTraining(): boolean {
  return currentScope().training !== undefined
}

/** Runs `fn` with one more look at the taps of `model`. */
export function withTapping<T>(model: Module, tapping: Tapping, fn: () => T): T {
  const scope = currentScope()
  return enterScope({ ...scope, tappings: [...scope.tappings, { ...tapping, paths: pathsOf(model) }] }, fn)
}
