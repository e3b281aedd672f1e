import { bytesSource, load, openSafetensors, saveToBytes } from '@filature/checkpoint'
import type { Module, TensorTable } from '@filature/tensor'
import type { Adapter } from './adapter.ts'
import { parseSafetensors } from './fixture.ts'
import type { GoldenCase } from './golden-case.ts'
import { buffersOf, nameFailures, shapesOf } from './names.ts'

/**
 * Describes the case's model, loads it strictly and proves its names: the keys and shapes that it had when it was only
 * described, its ties and buffers are held against the file's; then it is saved and the bytes compared; then loaded from
 * those and saved again.
 */
export async function describeAndLoad(golden: GoldenCase, adapter: Adapter): Promise<Module> {
  const model = adapter.model!(golden)!
  golden.dialect = adapter.dialect?.(golden)
  const { dialect } = golden
  const keys = shapesInFile(golden, model)
  const prove = (setAside: readonly string[]) => {
    // frequencies, masks and position ids of the reference that the model does without
    for (const name of [...setAside, ...buffersOf(golden.fixture, model)]) {
      if (!keys.has(name))
        golden.ignore(`weights.${name}`, 'a buffer of the reference, no parameter; load sets it aside')
    }
    golden.failures.push(...nameFailures(golden.fixture, golden.ledger, model, keys, !dialect))
  }
  try {
    prove((await load(model, golden.weights(), { dialect })).setAside)
  } catch (error) {
    prove([])
    throw error
  }
  if (golden.precision === 'float32') await proveSaving(golden, adapter, model)
  return model
}

const shapesInFile = ({ dialect }: GoldenCase, model: Module) =>
  dialect ? shapesOfTable(dialect.toTheirs(tableOf(shapesOf(model)))) : shapesOf(model)

/** What the model writes are the file's bytes, tensor by tensor, and it reads its own file to the same end. */
async function proveSaving(golden: GoldenCase, adapter: Adapter, model: Module): Promise<void> {
  const options = { dialect: golden.dialect, ties: 'all' } as const
  const bytes = await saveToBytes(model, options)
  for (const [name, { dtype, bytes: saved }] of parseSafetensors(bytes, `${golden.name}, saved`)) {
    if (!golden.has(`weights.${name}`)) continue // already a failure of the names
    const stored = golden.fixture.stored(`weights.${name}`)
    if (dtype !== stored.dtype)
      golden.failures.push(`saving: ${name} is written as ${dtype}, the file has ${stored.dtype}`)
    else if (!equalBytes(saved, stored.bytes)) golden.failures.push(`saving: ${name} is not written as it was read`)
  }
  using again = adapter.model!(golden)!
  await using file = await openSafetensors(bytesSource(bytes.slice(), `${golden.name}, saved`))
  await load(again, file, { dialect: golden.dialect })
  if (!equalBytes(await saveToBytes(again, options), bytes)) {
    golden.failures.push('saving: the model, loaded from its own file, writes another one')
  }
}

const equalBytes = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

const tableOf = (shapes: ReadonlyMap<string, readonly number[]>): TensorTable =>
  new Map(
    [...shapes].map(([key, shape]) => [
      key,
      { dtype: 'F32', shape, read: () => Promise.reject(new Error('described only')) },
    ]),
  )

const shapesOfTable = (table: TensorTable) => new Map([...table].map(([name, { shape }]) => [name, shape]))
