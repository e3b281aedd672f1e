import { ConfigError } from '@filature/tensor'
import { kindOfPath } from '#platform'
import type { ByteSource } from './byte-source.ts'
import type { Checkpoint } from './checkpoint.ts'
import { folderFiles } from './folder.ts'
import { openSource } from './open-source.ts'
import { besideUrl, openUrl } from './open-url.ts'
import type { PyTorchOptions } from './pytorch/open.ts'
import { blobSource } from './sources/blob.ts'
import { bytesSource } from './sources/memory.ts'
import type { UrlOptions } from './url-options.ts'
import { openWeights } from './weights.ts'

/** `part` for PyTorch's files; the others for URLs, without effect elsewhere, but for `sha256`, which is then refused. */
export interface OpenOptions extends PyTorchOptions, UrlOptions {}

/** A path or URL, a Blob or File, bytes, or any source of bytes. */
export type CheckpointTarget = string | URL | Blob | Uint8Array | ArrayBuffer | ByteSource

/**
 * Opens a checkpoint whatever its format, told by its first bytes: safetensors, what torch.save wrote, GGUF, llama2.c. A
 * path may also be a folder or an index (`model.safetensors.index.json`), whose shards are opened as one, and a path or
 * URL the first part of a split GGUF (`model-00001-of-00003.gguf`). Nothing is loaded until it is read; close the
 * checkpoint when done.
 * @throws CheckpointError for a file that is not there, malformed or of a kind that is not read
 */
export async function openCheckpoint(target: CheckpointTarget, options: OpenOptions = {}): Promise<Checkpoint> {
  const address = typeof target === 'string' || target instanceof URL ? String(target) : undefined
  if (address !== undefined && /^https?:/.test(address)) {
    return await openSource(await openUrl(address, options), options, besideUrl(address, options))
  }
  if (options.sha256 !== undefined) {
    throw new ConfigError('url-option', 'openCheckpoint: only of what a URL gives is sha256 checked.')
  }
  if (address !== undefined) return await openPath(address, options)
  if (target instanceof Blob) return await openSource(blobSource(target), options)
  if (target instanceof Uint8Array || target instanceof ArrayBuffer) {
    return await openSource(bytesSource(target), options)
  }
  return await openSource(target as ByteSource, options)
}

async function openPath(address: string, options: OpenOptions): Promise<Checkpoint> {
  const path = address.startsWith('file:') ? pathOfFileUrl(address) : address
  if ((await kindOfPath(path)) === 'folder') return await openWeights(folderFiles(path), options)
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1
  return await openWeights(folderFiles(path.slice(0, cut) || '.'), { ...options, weights: path.slice(cut) })
}

function pathOfFileUrl(url: string): string {
  const path = decodeURIComponent(new URL(url).pathname)
  return /^\/[A-Za-z]:/.test(path) ? path.slice(1) : path // a Windows drive
}
