import { BLOCKS } from '../addon.ts'
import { type Kernel, type Kernels, output, sizeOf } from './kernel.ts'

/** y = x weight^T; x (..., K), the weight (rows, K) as bytes in `attrs`. */
const linear =
  (format: number): Kernel =>
  ({ x }, { bytes, rows }, { backend, addon }) => {
    const K = x!.shape.at(-1)!
    const lead = x!.shape.slice(0, -1)
    const y = output(backend, [...lead, rows])
    addon.blockLinear(format, sizeOf(lead), rows, K, backend.floats(x!), bytes, y.values)
    return y.info
  }

/** Rows `ids` (...) of a weight (rows, width) -> (..., width) */
const gather =
  (format: number): Kernel =>
  ({ ids }, { bytes, rows, width }, { backend, addon }) => {
    const y = output(backend, [...ids!.shape, width])
    addon.blockRows(format, sizeOf(ids!.shape), rows, width, backend.numbers(ids!) as Int32Array, bytes, y.values)
    return y.info
  }

/** A kernel for each format: what has none is decoded by the store. */
export const blocks: Kernels = Object.fromEntries(
  BLOCKS.flatMap((name, format) => [
    [`FilatureLinear:${name}`, linear(format)],
    [`FilatureGather:${name}`, gather(format)],
  ]),
)
