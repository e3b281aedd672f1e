import { quote, refuse } from '../refuse.ts'
import { GlobalName, type PickleValue, Storage, StridedView } from './values.ts'

export interface Flattened {
  /** Tensors under their dotted paths. */
  readonly tensors: ReadonlyMap<string, StridedView>
  /** Everything else, as plain values: the largest parts that hold no tensor, under their dotted paths. */
  readonly others: ReadonlyMap<string, unknown>
}

const maxDepth = 64
const maxNodes = 1_000_000
/** Numbers and texts in lists that are handed out as values. */
const maxScalars = 16_000_000

/**
 * The tensors of a checkpoint by name: keys and indices joined by dots. Shared parts appear under each of their paths;
 * parts that contain themselves, and structures that would unfold without end, are refused.
 */
export function flatten(root: PickleValue, who: string): Flattened {
  const tensors = new Map<string, StridedView>()
  const others = new Map<string, unknown>()
  const walk = new Walk(who)

  const visit = (value: PickleValue, path: string, depth: number): void => {
    walk.step(depth)
    if (value instanceof StridedView) {
      if (tensors.has(path)) refuse('pytorch-name', who, `two tensors are named ${quote(path)}.`)
      tensors.set(path, value)
    } else if (walk.holdsTensor(value)) {
      for (const [key, child] of entriesOf(value)) visit(child, path === '' ? key : `${path}.${key}`, depth + 1)
    } else {
      others.set(path, walk.plain(value, depth))
    }
  }
  visit(root, '', 0)
  return { tensors, others }
}

/** The part of a checkpoint under a chain of keys (`['model']`). */
export function select(root: PickleValue, keys: readonly string[], who: string): PickleValue {
  let value = root
  for (const key of keys) {
    const found = new Map(entriesOf(value)).get(key)
    if (found === undefined) {
      const there = entriesOf(value).map(([name]) => quote(name))
      refuse('pytorch-key', who, `there is no key ${quote(key)}; there is ${there.slice(0, 20).join(', ') || 'none'}.`)
    }
    value = found
  }
  return value
}

function entriesOf(value: PickleValue): [string, PickleValue][] {
  if (value instanceof Map) return [...value].map(([key, child]) => [nameOf(key), child])
  if (Array.isArray(value)) return value.map((child, i) => [String(i), child])
  return []
}

const nameOf = (key: PickleValue): string => (Array.isArray(key) ? key.map(nameOf).join(',') : String(key))

class Walk {
  readonly #who: string
  readonly #holds = new Map<object, boolean>()
  #nodes = 0
  #scalars = 0

  constructor(who: string) {
    this.#who = who
  }

  step(depth: number): void {
    if (depth > maxDepth) refuse('pytorch-depth', this.#who, `its containers nest deeper than ${maxDepth} levels.`)
    if (++this.#nodes > maxNodes) refuse('pytorch-unfolds', this.#who, `it unfolds to more than ${maxNodes} values.`)
  }

  /** Whether a container has a tensor anywhere below; each is looked through once. */
  holdsTensor(value: PickleValue, depth = 0): boolean {
    if (value instanceof StridedView) return true
    if (!(value instanceof Map || Array.isArray(value))) return false
    const known = this.#holds.get(value)
    if (known !== undefined) return known
    this.step(depth)
    this.#holds.set(value, false) // of a part that contains itself, until it is known
    const holds = entriesOf(value).some(([, child]) => this.holdsTensor(child, depth + 1))
    this.#holds.set(value, holds)
    return holds
  }

  /** Lists, tuples and sets as arrays, dictionaries as maps, names as text. */
  plain(value: PickleValue, depth: number): unknown {
    if (typeof value !== 'object') {
      if (++this.#scalars > maxScalars) refuse('pytorch-unfolds', this.#who, `it unfolds to over ${maxScalars} values.`)
      return value
    }
    this.step(depth)
    if (value instanceof Map) {
      return new Map([...value].map(([k, v]) => [this.plain(k, depth + 1), this.plain(v, depth + 1)]))
    }
    if (value instanceof Set) return [...value].map((item) => this.plain(item, depth + 1))
    if (Array.isArray(value)) return value.map((item) => this.plain(item, depth + 1))
    if (value instanceof GlobalName) return String(value)
    if (value instanceof Storage) return `storage ${value.key}`
    return value
  }
}
