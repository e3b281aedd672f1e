import { isBuffer, type Module, stateOf, type TensorTable, tensor, tidy } from '@filature/tensor'
import type { Adapter } from './adapter.ts'
import type { GoldenCase } from './golden-case.ts'
import { nameFailures, shapesOf } from './names.ts'

/** Describes the case's model, proves its names, loads its weights strictly. */
export async function describeAndLoad(golden: GoldenCase, adapter: Adapter): Promise<Module> {
  const model = adapter.model!(golden)!
  golden.dialect = adapter.dialect?.(golden)
  const { dialect } = golden
  const shapes = shapesOf(model)
  const keys = dialect ? shapesOfTable(dialect.toTheirs(tableOf(shapes))) : shapes
  golden.failures.push(...nameFailures(golden.fixture, golden.ledger, model, keys))

  const weights = golden.weights()
  const file: TensorTable = new Map(
    weights
      .names()
      .map((name) => [name, { ...(weights.info(name) as object), read: () => weights.read(name) }] as never),
  )
  const table = dialect ? dialect.toOurs(file) : file
  for (const [key, leaf] of stateOf(model)) {
    const entry = table.get(key)
    if (!entry) continue
    const values = await entry.read()
    const dtype = isBuffer(leaf) ? leaf.dtype : 'float32'
    tidy(() => leaf.assign(tensor(hostArray(values, dtype), leaf.shape, dtype)))
  }
  return model
}

function hostArray(values: ArrayLike<number | bigint>, dtype: 'float32' | 'int32' | 'bool') {
  if (dtype === 'float32') return Float32Array.from(values as ArrayLike<number>, Number)
  return dtype === 'int32' ? Int32Array.from(values as never, Number) : Uint8Array.from(values as never, Number)
}

const tableOf = (shapes: ReadonlyMap<string, readonly number[]>): TensorTable =>
  new Map(
    [...shapes].map(([key, shape]) => [
      key,
      { dtype: 'F32', shape, read: () => Promise.reject(new Error('no values')) },
    ]),
  )

const shapesOfTable = (table: TensorTable) => new Map([...table].map(([name, { shape }]) => [name, shape]))
