import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a file so that whoever looks, at any moment and after any crash, finds the old one or the new one, whole:
 * a temporary file beside it, fsync, rename, fsync of the folder. On failure the temporary file is removed and the old
 * one stays.
 */
export async function writeFileAtomic(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  await removeAbandoned(folder, basename(path))
  const temporary = join(folder, `.${basename(path)}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx')
    try {
      for await (const chunk of chunks) await writeAll(handle, chunk)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(folder)
}

async function writeAll(handle: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  let done = 0
  while (done < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, done, Math.min(1 << 30, chunk.length - done))
    done += bytesWritten
  }
}

/** Makes a rename or a removal in a folder last through a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return // folders cannot be opened there; NTFS journals the rename
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Removes what writers that were killed left behind: their process is gone and the file is minutes old. */
async function removeAbandoned(folder: string, name: string): Promise<void> {
  const prefix = `.${name}.`
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(prefix) || !entry.endsWith('.tmp')) continue
    const pid = Number(/^(\d+)-/.exec(entry.slice(prefix.length))?.[1])
    if (!pid || isAlive(pid)) continue
    const left = await stat(join(folder, entry)).catch(() => undefined)
    if (left && Date.now() - left.mtimeMs > 120_000) await rm(join(folder, entry), { force: true })
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
