import { UsageError } from './errors.ts'
import type { Words2 } from './philox.ts'
import type { Rng } from './rng.ts'
import type { Tensor } from './types.ts'

// The run scope: what holds for one run of a model and not for the model. Dynamic and synchronous, like tidy. It knows
// modules by their identity alone, so that modules can ask it: `run.ts` enters it for a model.

/** The path of each module below the model of the run. */
export type Paths = ReadonlyMap<object, string>

/** Looks at the taps of one model; returning a tensor replaces the activation. */
export interface Tapping {
  /** Whether this looks at the tap of that full path. */
  matches(path: string): boolean
  see(path: string, x: Tensor): Tensor | undefined
  /** Captures only look: they are off while `checkpointed` computes a part again. */
  readonly passive: boolean
  /** Whether the gradient at the taps is wanted: parts are then not computed again but kept on the tape. */
  readonly differentiates?: boolean
}

interface ActiveTapping extends Tapping {
  readonly paths: () => Paths
}

interface Training {
  readonly rng: Rng
  readonly paths: () => Paths
  /** Draws made so far, by path. */
  readonly calls: Map<string, number>
}

/** What `enterScope` enters: a training run or none, and those that look at taps. */
export interface RunScope {
  readonly training: Training | undefined
  readonly tappings: readonly ActiveTapping[]
}

const NOTHING: RunScope = { training: undefined, tappings: [] }
let current: RunScope = NOTHING

/** Runs `fn` under `scope`; a promise is refused, because the scope would be gone before it goes on. */
export function enterScope<T>(scope: RunScope, fn: () => T): T {
  const outer = current
  current = scope
  try {
    const result = fn()
    if (typeof (result as { then?: unknown } | undefined)?.then === 'function') {
      throw new UsageError('scope-async', 'A run scope is synchronous: the function must not return a promise.')
    }
    return result
  } finally {
    current = outer
  }
}

/** The scope at hand, to enter again later (a generator at each token, a checkpointed part on its way back). */
export function currentScope(): RunScope {
  return current
}

/** A copy of the scope at hand that draws the same random numbers again; captures are off in it. */
export function replayScope(): RunScope {
  const { training, tappings } = current
  return {
    training: training && { ...training, calls: new Map(training.calls) },
    tappings: tappings.filter((tapping) => !tapping.passive),
  }
}

/** Where a module's next random draw comes from: Philox key and counter; null outside training. */
export function nextDraw(module: object): { key: Words2; counter: Words2 } | null {
  const { training } = current
  if (!training) return null
  const path = training.paths().get(module)
  if (path === undefined) {
    throw new UsageError(
      'draw-path',
      `${module.constructor.name} draws random numbers but is no part of the model given to training(model, rng, fn).`,
    )
  }
  const call = training.calls.get(path) ?? 0
  training.calls.set(path, call + 1)
  return { key: training.rng.fork(path).key, counter: [call, 0] }
}

const join = (path: string, site: string) => (path === '' ? site : `${path}.${site}`)

/** Whether anybody looks at a module's tap. */
export function tapWanted(module: object, site: string): boolean {
  return current.tappings.some(({ paths, matches }) => {
    const path = paths().get(module)
    return path !== undefined && matches(join(path, site))
  })
}

/** Shows an activation to all who look at it; returns what the last edit made of it. */
export function tapAt<T extends Tensor>(module: object, site: string, x: T): T {
  if (current.tappings.length === 0) return x
  let y = x
  // the innermost look comes first: what surrounds it sees its edits
  for (const { paths, matches, see } of current.tappings.toReversed()) {
    const path = paths().get(module)
    if (path === undefined) continue
    const full = join(path, site)
    if (!matches(full)) continue
    const edited = see(full, y)
    if (edited) {
      if (edited.shape.length !== y.shape.length || edited.shape.some((d, i) => d !== y.shape[i])) {
        throw new UsageError(
          'tap-shape',
          `observe: the edit of ${full} must keep its shape [${y.shape}], got [${edited.shape}].`,
        )
      }
      y = edited as T
    }
  }
  return y
}

/** Whether a gradient at a tap inside `module` is asked for: recomputation would hide it from the outer tape. */
export function gradientTapInside(module: object): boolean {
  return current.tappings.some((tapping) => tapping.differentiates && tapping.paths().has(module))
}
