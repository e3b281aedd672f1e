import type { FileDtype, TensorTable } from '@filature/tensor'
import type { Checkpoint } from './checkpoint.ts'

const direct: ReadonlySet<string> = new Set<FileDtype>([
  'F64',
  'F32',
  'F16',
  'BF16',
  'I64',
  'I32',
  'I16',
  'I8',
  'U64',
  'U32',
  'U16',
  'U8',
  'BOOL',
])

/** A checkpoint as the table that dialects work on. Types that only files have (8-bit floats, blocks) count as F32. */
export function tableOf(checkpoint: Checkpoint): TensorTable {
  const table: TensorTable = new Map()
  for (const name of checkpoint.names()) {
    const { dtype, shape } = checkpoint.info(name)
    table.set(name, {
      dtype: direct.has(dtype) ? (dtype as FileDtype) : 'F32',
      shape,
      read: () => checkpoint.read(name),
    })
  }
  return table
}
