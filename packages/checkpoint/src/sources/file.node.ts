import { open } from 'node:fs/promises'
import type { ByteSource } from '../byte-source.ts'
import { refuse } from '../refuse.ts'
import { allocate, checkRange } from './range.ts'

/** One system call reads less than 2 GiB. */
const maxRead = 1 << 30

/** A file on disk, read by position: nothing of it is held. Works beyond 4 GB. */
export async function fileSource(path: string): Promise<ByteSource> {
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(path, 'r')
  } catch (cause) {
    refuse('file-not-opened', path, `cannot be opened: ${(cause as Error).message}`, cause)
  }
  const stat = await handle.stat()
  if (!stat.isFile()) {
    await handle.close()
    refuse('file-not-opened', path, 'is not a file.')
  }
  const size = stat.size
  return {
    name: path,
    size,
    async read(offset, length) {
      checkRange(path, size, offset, length)
      const out = allocate(path, length, () => new Uint8Array(length))
      let done = 0
      while (done < length) {
        const { bytesRead } = await handle.read(out, done, Math.min(maxRead, length - done), offset + done)
        if (bytesRead === 0)
          refuse('read-short', path, `the file ended at ${offset + done}; it was ${size} bytes long.`)
        done += bytesRead
      }
      return out
    },
    close: () => handle.close(),
  }
}
