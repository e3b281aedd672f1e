import type { ByteSource } from '../byte-source.ts'
import { refuse } from '../refuse.ts'
import { checkRange } from './range.ts'

/** A Blob or File (an upload, an entry of the browser's cache): read by slices, never as a whole. */
export function blobSource(blob: Blob, name = 'name' in blob ? String(blob.name) : 'blob'): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      checkRange(name, blob.size, offset, length)
      let bytes: Uint8Array
      try {
        bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
      } catch (cause) {
        refuse('read-failed', name, `reading ${length} bytes at ${offset} failed.`, cause)
      }
      if (bytes.length !== length) {
        refuse('read-short', name, `wanted ${length} bytes at ${offset}, got ${bytes.length}.`)
      }
      return bytes
    },
    async close() {},
  }
}
