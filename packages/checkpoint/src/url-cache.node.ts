import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { writeFileAtomic } from './atomic-write.node.ts'
import type { ByteSource } from './byte-source.ts'
import { download } from './download.node.ts'
import { refuse } from './refuse.ts'
import { fileSource } from './sources/file.node.ts'
import { refuseStatus, request } from './sources/http.ts'
import type { UrlOptions } from './url-options.ts'

/** What is known of a file that was downloaded. */
interface Known {
  readonly url: string
  readonly etag: string | null
  readonly size: number
  readonly sha256?: string | undefined
}

/** The folder for files of plain URLs: under XDG_CACHE_HOME, or ~/.cache. */
const defaultFolder = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'filature', 'files')

/** The file of a URL from the cache, downloaded first if it is not there or has changed on the server. */
export async function cachedDownload(url: string, options: UrlOptions): Promise<ByteSource> {
  const folder = typeof options.cache === 'string' ? options.cache : defaultFolder()
  const stem = join(folder, createHash('sha256').update(url).digest('hex').slice(0, 40))
  const path = `${stem}.data`
  const known = await readKnown(`${stem}.json`)
  const sha256 = options.sha256?.toLowerCase()
  if (known && sha256 !== undefined && known.sha256 === sha256) return named(await fileSource(path), url)
  if (options.offline) {
    if (!known) refuse('offline-missing', url, `it is not in the cache ${folder}.`)
    if (sha256 !== undefined) refuse('download-hash', url, 'the file in the cache was not checked against this hash.')
    return named(await fileSource(path), url)
  }

  const head = await request(url, { method: 'HEAD', headers: { ...options.headers } }, options)
  if (!head.ok) await refuseStatus(url, head)
  const size = Number(head.headers.get('content-length') ?? Number.NaN)
  if (!Number.isSafeInteger(size)) refuse('http-size', url, 'the server does not say how large the file is.')
  const etag = head.headers.get('etag')
  const same = known?.size === size && known.etag === etag && etag !== null
  if (!same || sha256 !== undefined) {
    // What an earlier download left of another version must not be gone on with.
    const begun = await readKnown(`${stem}.begun.json`)
    if (begun?.etag !== etag || begun.size !== size || etag === null) await rm(`${path}.incomplete`, { force: true })
    await rm(`${stem}.json`, { force: true })
    await rm(path, { force: true })
    await writeKnown(`${stem}.begun.json`, { url, etag, size })
    await download(url, path, { size, sha256 }, options)
    await writeKnown(`${stem}.json`, { url, etag, size, sha256 })
    await rm(`${stem}.begun.json`, { force: true })
  }
  return named(await fileSource(path), url)
}

const named = (source: ByteSource, name: string): ByteSource => ({ ...source, name })

async function readKnown(path: string): Promise<Known | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return undefined
  }
}

async function writeKnown(path: string, known: Known): Promise<void> {
  await writeFileAtomic(path, [new TextEncoder().encode(JSON.stringify(known))])
}
