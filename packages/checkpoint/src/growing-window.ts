import type { ByteSource } from './byte-source.ts'
import { refuse } from './refuse.ts'

/** Structure ahead of the tensors that is larger than this (512 MiB) is refused. */
const maxWindow = 1 << 29

/**
 * Parses the beginning of a source whose length is not known: gives `parse` the first bytes, and twice as many each
 * time it throws a `Cut`.
 */
export async function growingWindow<T>(
  source: ByteSource,
  // biome-ignore lint/suspicious/noExplicitAny: any constructor will do
  Cut: abstract new (...args: any[]) => Error,
  code: string,
  parse: (bytes: Uint8Array) => T,
): Promise<T> {
  for (let length = Math.min(1 << 16, source.size); ; length = Math.min(4 * length, source.size)) {
    const bytes = await source.read(0, length)
    try {
      return parse(bytes)
    } catch (error) {
      if (!(error instanceof Cut)) throw error
      if (length === source.size) refuse(code, source.name, 'the file ends too early.', error)
      if (length >= maxWindow)
        refuse('structure-too-large', source.name, `its structure goes on beyond ${maxWindow} bytes.`)
    }
  }
}
