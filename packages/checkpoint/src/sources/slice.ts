import type { ByteSource } from '../byte-source.ts'
import { checkRange } from './range.ts'

/** The bytes `start` to `start + size` of a source, as a source (an entry stored in an archive). Closing closes nothing. */
export function sliceSource(source: ByteSource, start: number, size: number, name: string): ByteSource {
  checkRange(source.name, source.size, start, size)
  return {
    name,
    size,
    read(offset, length) {
      checkRange(name, size, offset, length)
      return source.read(start + offset, length)
    },
    async close() {},
  }
}
