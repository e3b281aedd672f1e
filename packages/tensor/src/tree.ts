import type { Module } from './module.ts'
import { type Buffer, isBuffer, isParameter, type Parameter } from './parameter.ts'

export const MODULE = Symbol.for('@filature/tensor/Module')

export const isModule = (x: unknown): x is Module => typeof x === 'object' && x !== null && MODULE in x

/** What a checkpoint stores under one name. */
export type Leaf = Parameter | Buffer

function* walk(value: unknown, path: string): Generator<[string, Module | Leaf]> {
  if (isModule(value)) {
    yield [path, value]
    for (const [key, child] of Object.entries(value)) yield* walk(child, path === '' ? key : `${path}.${key}`)
  } else if (isParameter(value) || isBuffer(value)) {
    yield [path, value]
  } else if (Array.isArray(value)) {
    for (const key of Object.keys(value)) yield* walk(value[Number(key)], `${path}.${key}`)
  }
}

/** Every module below (and with) `root`, with its path; the root's is ''. */
export function* modulesOf(root: Module): Generator<[string, Module]> {
  for (const [path, value] of walk(root, '')) if (isModule(value)) yield [path, value]
}

/** Every parameter and buffer under every one of its paths, ties repeated: the keys of a checkpoint. */
export function stateOf(root: Module): Map<string, Leaf> {
  const out = new Map<string, Leaf>()
  for (const [path, value] of walk(root, '')) if (!isModule(value)) out.set(path, value)
  return out
}

/** Each parameter once, under its first path. */
export function parametersOf(root: Module): Map<string, Parameter> {
  const out = new Map<string, Parameter>()
  const seen = new Set<Parameter>()
  for (const [path, value] of walk(root, '')) {
    if (isParameter(value) && !seen.has(value)) {
      seen.add(value)
      out.set(path, value)
    }
  }
  return out
}

/** The paths of each parameter that stands in more than one place, the first path first. */
export function tiesOf(root: Module): string[][] {
  const paths = new Map<Parameter, string[]>()
  for (const [path, value] of walk(root, '')) {
    if (isParameter(value)) paths.set(value, [...(paths.get(value) ?? []), path])
  }
  return [...paths.values()].filter((list) => list.length > 1)
}

/** Number of parameters, ties counted once. */
export function parameterCount(root: Module): number {
  let count = 0
  for (const p of parametersOf(root).values()) count += p.size
  return count
}
