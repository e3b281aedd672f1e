import type { ByteSource } from './byte-source.ts'
import type { Checkpoint } from './checkpoint.ts'
import { openGguf } from './gguf/open.ts'
import { startsAsLlama2c } from './llama2c/header.ts'
import { openLlama2c } from './llama2c/open.ts'
import { openPyTorch, type PyTorchOptions } from './pytorch/open.ts'
import { refuse } from './refuse.ts'
import { openSafetensors } from './safetensors/reader.ts'

/** Opens one file by what its first bytes say it is. Closes the source if it is refused. */
export async function openSource(source: ByteSource, options: PyTorchOptions = {}): Promise<Checkpoint> {
  try {
    const start = await source.read(0, Math.min(32, source.size))
    const text = String.fromCharCode(...start)
    if (text.startsWith('GGUF')) return await openGguf(source)
    // before the pickles: a model of 128 features begins with their first byte
    const isLlama2c = startsAsLlama2c(start)
    if (!isLlama2c && (text.startsWith('PK\x03\x04') || start[0] === 0x80)) return await openPyTorch(source, options)
    if (options.part !== undefined) refuse('part-unsupported', source.name, 'only PyTorch files have parts to name.')
    return await (isLlama2c ? openLlama2c(source) : openSafetensors(source))
  } catch (error) {
    await source.close()
    throw error
  }
}
