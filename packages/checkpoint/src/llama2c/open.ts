import type { ByteSource } from '../byte-source.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { checkpointOf } from '../checkpoint-of.ts'
import { readValues, valuesOf } from '../decode.ts'
import type { TensorValues } from '../dtypes.ts'
import { allocate } from '../sources/range.ts'
import { readLlama2cHeader } from './header.ts'
import { type Llama2cTensor, layoutLlama2c } from './layout.ts'

/** Weights that are widened at a time. */
const chunkWeights = 1 << 22

/**
 * Opens a `.bin` that llama2.c's export wrote and its run.c (runq.c for int8) reads. The file has no names; its order
 * is fixed, and tensors come under the names of llama2.c's model: `tok_embeddings.weight`, `layers.0.attention.wq.weight`.
 * `metadata` holds the header under the same keys as llama2.c's `model_args`. int8 weights (version 2) are widened to
 * float32 as they are read. Owns the source.
 */
export async function openLlama2c(source: ByteSource): Promise<Checkpoint> {
  const header = await readLlama2cHeader(source)
  const tensors = layoutLlama2c(header, source.size, source.name)
  const { end: _, ...told } = header
  return checkpointOf(tensors, {
    format: 'llama2c',
    name: source.name,
    metadata: new Map(Object.entries(told).filter(([, value]) => value !== undefined)),
    info: ({ shape, groupSize }) => ({ dtype: groupSize === undefined ? 'F32' : 'I8_GROUPS', shape }),
    read: async (tensor, who) => await readTensor(source, tensor, who),
    close: () => source.close(),
  })
}

async function readTensor(source: ByteSource, tensor: Llama2cTensor, who: string): Promise<TensorValues> {
  const { count, begin, groupSize } = tensor
  if (groupSize === undefined) return await readValues(source, begin, 'F32', count, who)
  const out = allocate(who, 4 * count, () => new Float32Array(count))
  const step = groupSize * Math.max(1, Math.floor(chunkWeights / groupSize))
  for (let from = 0; from < count; from += step) {
    const length = Math.min(step, count - from)
    const weights = valuesOf('I8', await source.read(begin + from, length), who) as Int8Array
    const scaleBytes = await source.read(begin + count + 4 * (from / groupSize), 4 * (length / groupSize))
    const scales = valuesOf('F32', scaleBytes, who) as Float32Array
    for (let i = 0; i < length; i++) out[from + i] = weights[i]! * scales[Math.floor(i / groupSize)]!
  }
  return out
}
