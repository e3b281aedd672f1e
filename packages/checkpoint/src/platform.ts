import { ConfigError } from '@filature/tensor'
import type { ByteSource } from './byte-source.ts'

// What stands in for Node's files in a browser: the same names, an error for each thing that needs a file system.
export { hubFiles } from './hub/files-in-browser.ts'
export { cachedDownload } from './url-cache.ts'

const noFiles = (what: string): never => {
  throw new ConfigError('no-file-system', `${what}: there is no file system here; pass a Blob, bytes or a URL.`)
}

/** A file on disk, read by position: nothing of it is held. Node only. */
export async function fileSource(path: string): Promise<ByteSource> {
  return noFiles(`opening ${path}`)
}

/** Writes a file beside its place, syncs it and renames it into place, or leaves the old one. Node only. */
export async function writeFileAtomic(
  path: string,
  _chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  noFiles(`writing ${path}`)
}

export async function readTextFile(path: string): Promise<string | undefined> {
  return noFiles(`reading ${path}`)
}

export async function removeFiles(paths: readonly string[]): Promise<void> {
  noFiles(`removing ${paths}`)
}

/** Nothing lies at any path. */
export async function kindOfPath(_path: string): Promise<'file' | 'folder' | undefined> {
  return undefined
}
