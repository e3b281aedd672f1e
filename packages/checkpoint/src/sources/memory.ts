import type { ByteSource } from '../byte-source.ts'
import { checkRange } from './range.ts'

/** A file that is in memory already. Reads copy, so that a tensor never shares the buffer it came from. */
export function bytesSource(bytes: Uint8Array | ArrayBuffer, name = 'bytes'): ByteSource {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)
  return {
    name,
    size: view.byteLength,
    async read(offset, length) {
      checkRange(name, view.byteLength, offset, length)
      const out = new Uint8Array(length)
      out.set(view.subarray(offset, offset + length))
      return out
    },
    async close() {},
  }
}
