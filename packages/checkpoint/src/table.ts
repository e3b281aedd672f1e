import type { TensorTable } from '@filature/tensor'
import type { Checkpoint } from './checkpoint.ts'
import { isDtype } from './dtypes.ts'

/** A checkpoint as the table that dialects work on. Types that only files have (8-bit floats, blocks) count as F32. */
export function tableOf(checkpoint: Checkpoint): TensorTable {
  const table: TensorTable = new Map()
  for (const name of checkpoint.names()) {
    const { dtype, shape } = checkpoint.info(name)
    const isFileDtype = isDtype(dtype) && dtype !== 'F8_E4M3' && dtype !== 'F8_E5M2'
    const blocks = checkpoint.blocks?.(name)
    table.set(name, { dtype: isFileDtype ? dtype : 'F32', shape, read: () => checkpoint.read(name), blocks })
  }
  return table
}
