import type { ByteSource } from '../byte-source.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { readValues } from '../decode.ts'
import { heldBlocks, heldFloats } from '../held-blocks.ts'
import { quote, refuse } from '../refuse.ts'
import { readHeader } from './header.ts'

/** Opens a safetensors file: the header is read and checked, tensors are read when asked for. Owns the source. */
export async function openSafetensors(source: ByteSource): Promise<Checkpoint> {
  const { entries, metadata } = await readHeader(source)
  const entryOf = (name: string) => {
    return entries.get(name) ?? refuse('no-such-tensor', source.name, `there is no tensor ${quote(name)}.`)
  }
  return {
    format: 'safetensors',
    name: source.name,
    metadata,
    names: () => [...entries.keys()],
    has: (name) => entries.has(name),
    info: (name) => {
      const { dtype, shape } = entryOf(name)
      return { dtype, shape }
    },
    async read(name) {
      const { dtype, count, begin } = entryOf(name)
      return await readValues(source, begin, dtype, count, `${source.name}: tensor ${quote(name)}`)
    },
    blocks: (name) => {
      const { dtype, count, begin } = entryOf(name)
      return heldBlocks(source, heldFloats(dtype), begin, begin + 2 * count)
    },
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  }
}
