import { clone, type Dialect, keep, type Tensor, type TensorTable } from '@filature/tensor'
import type { Numbers } from './adapter.ts'

/** Gradients by the model's paths, renamed and laid out as the file's dialect has its parameters. */
export async function inDialect(byPath: ReadonlyMap<string, Tensor>, dialect: Dialect): Promise<Map<string, Numbers>> {
  const kept = new Map([...byPath].map(([path, gradient]) => [path, keep(clone(gradient))]))
  try {
    const table: TensorTable = new Map(
      [...kept].map(([path, { shape }]) => [
        path,
        { dtype: 'F32', shape, read: async () => (await kept.get(path)!.data()) as Float32Array },
      ]),
    )
    const renamed = new Map<string, Numbers>()
    for (const [name, entry] of dialect.toTheirs(table)) {
      renamed.set(name, { shape: entry.shape, data: (await entry.read()) as Float32Array })
    }
    return renamed
  } finally {
    for (const gradient of kept.values()) gradient.dispose()
  }
}
