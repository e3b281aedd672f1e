import * as tf from '#tfjs'
import { requireMemory } from './backends.ts'
import { UsageError } from './errors.ts'
import { type Buffer, isBuffer, isParameter, type Parameter } from './parameter.ts'
import type { Rng } from './rng.ts'
import { tapAt, tapWanted } from './scope.ts'
import { sizeOf, type Tensor } from './types.ts'

const MODULE = Symbol.for('@filature/tensor/Module')

/**
 * A part of a model: parameters, buffers and other modules as plain properties. A property's path is its name in the
 * checkpoint; lists nest and may have holes. Describing a module allocates nothing.
 */
export abstract class Module implements Disposable {
  readonly [MODULE] = true

  /** Names of the activations this module offers to `capture` and `observe`. */
  static readonly taps: readonly string[] = []

  /** Offers an activation to whoever looks; returns what the model goes on with. Costs nothing when nobody looks. */
  protected tap<T extends Tensor>(site: string, x: T): T {
    return tapAt(this, site, x)
  }

  /** Whether anybody looks at `site`: a fused kernel that never holds that activation must then step aside. */
  protected tapped(site: string): boolean {
    return tapWanted(this, site)
  }

  /** `tap` as a function where somebody looks at `site`, else undefined: for ops that hold the activation only then. */
  protected tapFor<T extends Tensor>(site: string): ((x: T) => T) | undefined {
    return this.tapped(site) ? (x) => this.tap(site, x) : undefined
  }

  /** Frees the numbers of every parameter and buffer. */
  [Symbol.dispose](): void {
    for (const entry of stateOf(this).values()) entry.dispose()
  }
}

/** Whether it is a module, of this copy of the package or another. */
export const isModule = (x: unknown): x is Module => typeof x === 'object' && x !== null && MODULE in x

/** What a checkpoint stores under one name. */
export type Leaf = Parameter | Buffer

type Visit = (path: string, value: Module | Leaf) => void

// A visitor: models are walked at each step, and a generator costs five times as much.
function walk(value: unknown, path: string, visit: Visit): void {
  if (typeof value !== 'object' || value === null) return
  if (isModule(value)) {
    visit(path, value)
    const at = path === '' ? '' : `${path}.`
    for (const [key, child] of Object.entries(value)) walk(child, at + key, visit)
  } else if (isParameter(value) || isBuffer(value)) {
    visit(path, value)
  } else if (Array.isArray(value)) {
    for (const key of Object.keys(value)) walk(value[Number(key)], `${path}.${key}`, visit)
  }
}

/** Every module below (and with) `root`, with its path; the root's is ''. */
export function modulesOf(root: Module): [path: string, module: Module][] {
  const out: [string, Module][] = []
  walk(root, '', (path, value) => {
    if (isModule(value)) out.push([path, value])
  })
  return out
}

/** Every parameter and buffer under every one of its paths, ties repeated: the keys of a checkpoint. */
export function stateOf(root: Module): Map<string, Leaf> {
  const out = new Map<string, Leaf>()
  walk(root, '', (path, value) => {
    if (!isModule(value)) out.set(path, value)
  })
  return out
}

/** Each parameter once, under its first path. */
export function parametersOf(root: Module): Map<string, Parameter> {
  const out = new Map<string, Parameter>()
  const seen = new Set<Parameter>()
  walk(root, '', (path, value) => {
    if (!isParameter(value) || seen.has(value)) return
    seen.add(value)
    out.set(path, value)
  })
  return out
}

/** The paths of each parameter that stands in more than one place, the first path first. */
export function tiesOf(root: Module): string[][] {
  const paths = new Map<Parameter, string[]>()
  walk(root, '', (path, value) => {
    if (isParameter(value)) paths.set(value, [...(paths.get(value) ?? []), path])
  })
  return [...paths.values()].filter((list) => list.length > 1)
}

/** Number of parameters, ties counted once. */
export function parameterCount(root: Module): number {
  let count = 0
  for (const p of parametersOf(root).values()) count += p.size
  return count
}

/** The module at a path (`transformer.h.0.mlp`); throws for a path that leads nowhere. */
export function moduleAt(root: Module, path: string): Module {
  for (const [at, module] of modulesOf(root)) if (at === path) return module
  throw new UsageError('module-path', `moduleAt: no module at '${path}' of this ${root.constructor.name}.`)
}

/**
 * Draws every parameter's initial value from the stream of its path: adding a layer leaves the others' unchanged.
 * @throws MemoryError where the backend cannot hold them, before any is drawn
 */
export function init<M extends Module>(model: M, rng: Rng): M {
  const parameters = parametersOf(model)
  const sizes = [...parameters.values()].map(({ shape, hasValue }) => (hasValue ? 0 : 4 * sizeOf(shape)))
  requireMemory(
    `init: ${model.constructor.name}`,
    sizes.reduce((a, b) => a + b, 0),
  )
  for (const [path, parameter] of parameters) {
    tf.tidy(() => parameter.assign(tf.tensor(parameter.init(parameter.shape, rng.fork(path)), parameter.shape)))
  }
  return model
}

/** Marks as frozen every parameter whose path matches, and as trainable every other; returns the frozen paths. */
export function freeze(model: Module, matches: (path: string) => boolean): string[] {
  const frozenPaths: string[] = []
  for (const [path, parameter] of parametersOf(model)) {
    parameter.trainable = !matches(path)
    if (!parameter.trainable) frozenPaths.push(path)
  }
  return frozenPaths
}

/** Replaces the module at `path` (LoRA takes a Linear's place); the path must name a module's property or list entry. */
export function replaceModule(root: Module, path: string, make: (old: Module) => Module): void {
  const keys = path.split('.')
  let holder: unknown = root
  for (const key of keys.slice(0, -1)) holder = (holder as Record<string, unknown>)?.[key]
  const last = keys.at(-1)!
  const old = (holder as Record<string, unknown> | undefined)?.[last]
  if (!isModule(old)) {
    throw new UsageError('module-path', `replaceModule: no module at '${path}' of this ${root.constructor.name}.`)
  }
  ;(holder as Record<string, unknown>)[last] = make(old)
}
