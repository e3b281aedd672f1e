import { isBuffer, type Module, stateOf, tiesOf } from '@filature/tensor'
import type { Fixture } from './fixture.ts'
import type { Ledger } from './ledger.ts'

/**
 * Proves that a described model, still without values, has the file's names: every parameter and buffer under its key
 * with its shape, the same ties, the same buffers. Returns what differs.
 *
 * @param keys the model's keys and shapes as the file's dialect writes them
 * @param own whether those are the model's own names, so that ties and buffers can be told by them
 */
export function nameFailures(
  fixture: Fixture,
  ledger: Ledger,
  model: Module,
  keys: ReadonlyMap<string, readonly number[]>,
  own: boolean,
): string[] {
  const failures: string[] = []
  const inFile = new Map<string, readonly number[]>()
  for (const name of fixture.names) {
    if (name.startsWith('weights.')) inFile.set(name.slice('weights.'.length), fixture.stored(name).shape)
  }
  const buffers = buffersOf(fixture, model)

  for (const [key, shape] of keys) {
    const stored = inFile.get(key)
    if (!stored) failures.push(`names: the model's ${key} [${shape}] is not in the file`)
    else if (stored.join() !== shape.join())
      failures.push(`names: ${key} is [${shape}] here and [${stored}] in the file`)
  }
  for (const key of inFile.keys()) {
    if (!keys.has(key) && !ledger.isIgnored(`weights.${key}`))
      failures.push(`names: the file's ${key} is not in the model`)
  }
  if (!own) return failures
  for (const [key, leaf] of stateOf(model)) {
    if (inFile.has(key) && fixture.json.buffers && isBuffer(leaf) !== buffers.has(key)) {
      failures.push(`names: ${key} is a ${isBuffer(leaf) ? 'buffer' : 'parameter'} here and not in the reference`)
    }
  }
  const ours = new Set(
    tiesOf(model).map((paths) =>
      paths
        .filter((path) => inFile.has(path))
        .sort()
        .join(' = '),
    ),
  )
  const theirs = new Set(
    tiesIn(fixture, (key) => buffers.has(key) || ledger.isIgnored(`weights.${key}`)).map((paths) =>
      paths.sort().join(' = '),
    ),
  )
  for (const tie of theirs) if (!ours.has(tie)) failures.push(`names: the reference ties ${tie}`)
  for (const tie of ours) if (!theirs.has(tie)) failures.push(`names: the reference does not tie ${tie}`)
  return failures
}

/** The reference's buffers; of a case that does not list them, those that are buffers here. */
export function buffersOf(fixture: Fixture, model: Module): ReadonlySet<string> {
  if (fixture.json.buffers) return new Set(fixture.json.buffers)
  const stored = [...stateOf(model)].filter(([key, leaf]) => isBuffer(leaf) && fixture.has(`weights.${key}`))
  return new Set(stored.map(([key]) => key))
}

/** Keys and shapes that saving the model would write: parameters, ties repeated, and persistent buffers. */
export function shapesOf(model: Module): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>()
  for (const [key, leaf] of stateOf(model)) if (!isBuffer(leaf) || leaf.persistent) shapes.set(key, leaf.shape)
  return shapes
}

/** Parameters of the file that hold the same numbers; every parameter was drawn at random, so that means a tie. */
function tiesIn(fixture: Fixture, isBuffer: (key: string) => boolean): string[][] {
  const groups = new Map<string, string[]>()
  for (const name of fixture.names) {
    const key = name.slice('weights.'.length)
    if (!name.startsWith('weights.') || isBuffer(key)) continue
    const { shape, bytes } = fixture.stored(name)
    if (bytes.length === 0) continue
    const content = `${shape} ${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')}`
    groups.set(content, [...(groups.get(content) ?? []), key])
  }
  return [...groups.values()].filter((paths) => paths.length > 1)
}
