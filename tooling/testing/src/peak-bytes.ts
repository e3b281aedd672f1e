// biome-ignore lint/style/noRestrictedImports: it counts what the engine itself stores
import { backend } from '@tensorflow/tfjs-core'

interface Storage {
  write(values: unknown, shape: number[], dtype: string): object
  disposeData(id: object, force?: boolean): boolean
}

/** The greatest number of bytes that the cpu engine, when it is the active one, holds at once in `fn`, beyond those before. */
export function peakBytes(fn: () => void): number {
  const storage = backend() as unknown as Storage
  const { write, disposeData } = storage
  const sizes = new Map<object, number>()
  let live = 0
  let peak = 0
  storage.write = function (values, shape, dtype) {
    const id = write.call(this, values, shape, dtype)
    const bytes = 4 * shape.reduce((size, d) => size * d, 1)
    sizes.set(id, bytes)
    live += bytes
    peak = Math.max(peak, live)
    return id
  }
  storage.disposeData = function (id, force) {
    const gone = disposeData.call(this, id, force)
    if (gone) {
      live -= sizes.get(id) ?? 0
      sizes.delete(id)
    }
    return gone
  }
  try {
    fn()
  } finally {
    Object.assign(storage, { write, disposeData })
  }
  return peak
}
