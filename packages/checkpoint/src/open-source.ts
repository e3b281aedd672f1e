import type { ByteSource } from './byte-source.ts'
import type { Checkpoint } from './checkpoint.ts'
import { type FilesBeside, openGguf } from './gguf/open.ts'
import { startsAsLlama2c } from './llama2c/header.ts'
import { openLlama2c } from './llama2c/open.ts'
import { openPyTorch, type PyTorchOptions } from './pytorch/open.ts'
import { quote, refuse } from './refuse.ts'
import { openSafetensors } from './safetensors/reader.ts'

/**
 * Opens one file by what its first bytes say it is. Closes the source if it is refused.
 * @param beside where the other files of a model in parts are to be found
 */
export async function openSource(
  source: ByteSource,
  options: PyTorchOptions = {},
  beside?: FilesBeside,
): Promise<Checkpoint> {
  try {
    const format = formatOf(await source.read(0, Math.min(32, source.size)), source.name)
    if (format === 'pytorch') return await openPyTorch(source, options)
    if (options.part !== undefined) refuse('part-unsupported', source.name, 'only PyTorch files have parts to name.')
    return format === 'gguf' ? await openGguf(source, beside) : await readers[format](source)
  } catch (error) {
    await source.close()
    throw error
  }
}

const readers = { safetensors: openSafetensors, llama2c: openLlama2c }

/**
 * Safetensors begin with the header's length, 8 bytes whose lowest may be a pickle's first; llama2.c's oldest files with
 * a width, of which the same holds. So those two are told apart by more than their first byte, and before pickles.
 */
function formatOf(start: Uint8Array, who: string): Checkpoint['format'] {
  const text = String.fromCharCode(...start)
  const brace = start[8] === 0x7b
  const short = start.subarray(4, 8).every((byte) => byte === 0) // a header below 4 GiB
  if (brace && short) return 'safetensors'
  if (text.startsWith('GGUF')) return 'gguf'
  if (startsAsLlama2c(start)) return 'llama2c'
  if (text.startsWith('PK\x03\x04') || start[0] === 0x80) return 'pytorch'
  if (brace || short) return 'safetensors'
  return refuse(
    'format-unknown',
    who,
    `it begins with ${quote(text.slice(0, 12))}, as no checkpoint does; wanted safetensors, PyTorch, GGUF or llama2.c.`,
  )
}
