import type { ByteSource } from '../byte-source.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { checkpointOf } from '../checkpoint-of.ts'
import { readValues } from '../decode.ts'
import type { TensorValues } from '../dtypes.ts'
import { heldBlocks, heldFormat } from '../held-blocks.ts'
import { allocate } from '../sources/range.ts'
import { decodeBlocks } from './blocks.ts'
import { type GgufTensor, readGgufHeader } from './header.ts'

/** Packed bytes that are held beside the result while they are decoded. */
const chunkBytes = 8 << 20

/** Opens one file: quantised tensors are decoded to float32 as they are read. Owns the source. */
export async function openGgufFile(source: ByteSource): Promise<Checkpoint> {
  const { metadata, tensors } = await readGgufHeader(source)
  return checkpointOf(tensors, {
    format: 'gguf',
    name: source.name,
    metadata,
    info: ({ format, shape }) => ({ dtype: format.dtype, shape }),
    read: async (tensor, who) => await readTensor(source, tensor, who),
    blocks: ({ format, begin, end }) => heldBlocks(source, heldFormat(format), begin, end),
    close: () => source.close(),
  })
}

async function readTensor(source: ByteSource, tensor: GgufTensor, who: string): Promise<TensorValues> {
  const { format, count, begin, end } = tensor
  if (!format.decode) return await readValues(source, begin, format.dtype, count, who)
  const out = allocate(who, 4 * count, () => new Float32Array(count))
  const step = Math.floor(chunkBytes / format.bytes) * format.bytes
  for (let at = begin; at < end; at += step) {
    const bytes = await source.read(at, Math.min(step, end - at))
    decodeBlocks(format, bytes, out, ((at - begin) / format.bytes) * format.elements)
  }
  return out
}
