import type { ByteSource } from '../byte-source.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { checkpointOf } from '../checkpoint-of.ts'
import { readValues } from '../decode.ts'
import { heldBlocks, heldFloats } from '../held-blocks.ts'
import { readHeader } from './header.ts'

/** Opens a safetensors file: the header is read and checked, tensors are read when asked for. Owns the source. */
export async function openSafetensors(source: ByteSource): Promise<Checkpoint> {
  const { entries, metadata } = await readHeader(source)
  return checkpointOf(entries, {
    format: 'safetensors',
    name: source.name,
    metadata,
    info: ({ dtype, shape }) => ({ dtype, shape }),
    read: async ({ dtype, count, begin }, who) => await readValues(source, begin, dtype, count, who),
    blocks: ({ dtype, count, begin }) => heldBlocks(source, heldFloats(dtype), begin, begin + 2 * count),
    close: () => source.close(),
  })
}
