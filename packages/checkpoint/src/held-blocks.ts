import type { BlockFormat as HeldFormat } from '@filature/tensor'
import type { ByteSource } from './byte-source.ts'
import { valuesOf } from './decode.ts'
import type { Dtype } from './dtypes.ts'
import { type BlockFormat, decodeBlocks } from './gguf/blocks.ts'
import { allocate } from './sources/range.ts'

/** Numbers as a file has them: in blocks, or as 16-bit floats, row by row. */
export interface HeldBlocks {
  readonly format: HeldFormat
  /** All of them, as they lie in the file, in memory of their own. */
  readBytes(): Promise<Uint8Array>
}

/** How the bytes of `[begin, end)` can be held as they are; undefined where they are no short numbers. */
export function heldBlocks(source: ByteSource, format: HeldFormat | undefined, begin: number, end: number) {
  return format && { format, readBytes: async () => ownBytes(await source.read(begin, end - begin)) }
}

/** A source in memory gives a view of what belongs to its owner. */
const ownBytes = (bytes: Uint8Array) => (bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice())

const shortFloats = (name: string, dtype: Dtype): HeldFormat => ({
  name,
  elements: 1,
  bytes: 2,
  decode: (bytes, count) => valuesOf(dtype, bytes.subarray(0, 2 * count), name) as Float32Array,
})

const floats: Partial<Record<string, HeldFormat>> = {
  F16: shortFloats('f16', 'F16'),
  BF16: shortFloats('bf16', 'BF16'),
}

/** The short floats of a file as a format. */
export const heldFloats = (dtype: string): HeldFormat | undefined => floats[dtype]

/** A tensor type of GGUF as a format to hold. */
export function heldFormat(format: BlockFormat): HeldFormat | undefined {
  if (!format.decode) return heldFloats(format.dtype)
  const { dtype: name, elements, bytes } = format
  return {
    name,
    elements,
    bytes,
    decode(data, count) {
      const out = allocate(name, 4 * count, () => new Float32Array(count))
      decodeBlocks(format, data.subarray(0, (count / elements) * bytes), out, 0)
      return out
    },
  }
}
