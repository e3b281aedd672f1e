import * as tf from '#tfjs'
import { differentiate } from './autodiff.ts'
import { UsageError } from './errors.ts'
import { keep } from './memory.ts'
import type { Module } from './module.ts'
import { withTapping } from './run.ts'
import type { Scalar, Tensor } from './types.ts'

/**
 * Which activations: full paths (`model.layers.2.mlp.memory`) in which `*` stands for one segment and `**` for any
 * number of them, a regular expression over the full path, a function, or a list of these.
 */
export type Which = string | RegExp | ((path: string) => boolean) | readonly Which[]

const literal = (text: string) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')

/** A test of full paths. */
export function matcher(which: Which): (path: string) => boolean {
  if (typeof which === 'function') return which
  if (which instanceof RegExp) {
    // without the flags that make a pattern remember where it stopped
    const pattern = new RegExp(which.source, which.flags.replace(/[gy]/g, ''))
    return (path) => pattern.test(path)
  }
  if (typeof which === 'string') {
    const source = literal(which).replace(/\*\*\\\.|\*\*|\*/g, (star) =>
      star === '*' ? '[^.]*' : star === '**' ? '.*' : '(?:.*\\.)?',
    )
    const pattern = new RegExp(`^${source}$`)
    return (path) => pattern.test(path)
  }
  const tests = which.map(matcher)
  return (path) => tests.some((test) => test(path))
}

/** Activations of one run, owned: dispose them (or `using`). */
export interface Captured<T> extends Disposable {
  output: T
  /** By full path; a site passed again in the same run gets `#1`, `#2`, ... behind its path. */
  activations: Map<string, Tensor>
}

function collector() {
  const seen = new Map<string, Tensor>()
  const put = (path: string, x: Tensor) => {
    let key = path
    for (let n = 1; seen.has(key); n++) key = `${path}#${n}`
    seen.set(key, x)
  }
  return { seen, put }
}

/** Runs `fn` and keeps a copy of the activations of `model` named by `which`. */
export function capture<T>(model: Module, which: Which, fn: () => T): Captured<T> {
  const { seen, put } = collector()
  const free = () => {
    for (const x of seen.values()) x.dispose()
  }
  const matches = matcher(which)
  const see = (path: string, x: Tensor) => {
    put(path, keep(tf.clone(x)))
    return undefined
  }
  try {
    const output = withTapping(model, { matches, see, passive: true }, fn)
    if (seen.size === 0) noSite('capture', which)
    return { output, activations: seen, [Symbol.dispose]: free }
  } catch (error) {
    free()
    throw error
  }
}

/** Reads an activation, and replaces it by returning a tensor of the same shape. */
export type Edit = (x: Tensor, path: string) => Tensor | undefined | void

/** Runs `fn` with edits at the activations of `model`: `{ 'h.3.mlp.memory': (m) => mul(m, keepMask) }`. */
export function observe<T>(model: Module, edits: Record<string, Edit>, fn: () => T): T {
  let run = fn
  const unseen = new Set(Object.keys(edits))
  for (const [pattern, edit] of Object.entries(edits)) {
    const inner = run
    const see = (path: string, x: Tensor) => {
      unseen.delete(pattern)
      return edit(x, path) ?? undefined
    }
    run = () => withTapping(model, { matches: matcher(pattern), see, passive: false }, inner)
  }
  const output = run()
  if (unseen.size) noSite('observe', [...unseen])
  return output
}

/**
 * Gradients of a scalar by activations of `model`.
 * @returns the scalar, and by full path the activation and its gradient (null where the scalar does not depend on it),
 *   all tracked by the surrounding tidy
 */
export function activationGrads(
  model: Module,
  which: Which,
  fn: () => Scalar,
): { value: Scalar; activations: Map<string, Tensor>; grads: Map<string, Tensor | null> } {
  const { seen, put } = collector()
  const matches = matcher(which)
  const see = (path: string, x: Tensor) => {
    // A fresh node of its own on the tape: the gradient is that of the tap, whatever else reads the tensor before it.
    const y = tf.mul(x, 1)
    put(path, keep(y))
    return y
  }
  try {
    const { value, grads } = differentiate(
      () => withTapping(model, { matches, see, passive: false, differentiates: true }, fn),
      () => [...seen.values()],
    )
    if (seen.size === 0) noSite('activationGrads', which)
    return {
      value,
      activations: new Map([...seen].map(([path, x]) => [path, tf.clone(x)])),
      grads: new Map([...seen.keys()].map((path, i) => [path, grads[i]!])),
    }
  } finally {
    for (const x of seen.values()) x.dispose()
  }
}

function noSite(who: string, which: Which): never {
  throw new UsageError(
    'tap-unknown',
    `${who}: no activation matched ${which instanceof RegExp ? which : (JSON.stringify(which) ?? 'the function')} ` +
      'during the run; see `static taps` of the modules for their names.',
  )
}
