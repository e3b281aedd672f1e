import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { ByteSource } from './byte-source.ts'
import { refuse } from './refuse.ts'
import { blobSource } from './sources/blob.ts'
import { refuseStatus, request } from './sources/http.ts'
import type { UrlOptions } from './url-options.ts'

/** Header of our own under which a cached answer remembers its checked hash. */
const hashHeader = 'x-filature-sha256'

/** The file of a URL from the browser's Cache Storage, downloaded first if it is not there or has changed. */
export async function cachedDownload(url: string, options: UrlOptions): Promise<ByteSource> {
  const store = await caches.open(typeof options.cache === 'string' ? options.cache : 'filature')
  const wanted = options.sha256?.toLowerCase()
  const known = await store.match(url)
  if (known && wanted !== undefined && known.headers.get(hashHeader) === wanted) return await sourceOf(known, url)
  if (options.offline) {
    if (!known) refuse('offline-missing', url, 'it is not in the cache.')
    if (wanted !== undefined) refuse('download-hash', url, 'the file in the cache was not checked against this hash.')
    return await sourceOf(known, url)
  }
  if (known && wanted === undefined) {
    const head = await request(url, { method: 'HEAD', headers: { ...options.headers } }, options)
    const same = ['etag', 'content-length'].every((key) => head.headers.get(key) === known.headers.get(key))
    if (head.ok && head.headers.has('etag') && same) return await sourceOf(known, url)
  }

  const answer = await request(url, { headers: { ...options.headers } }, options)
  if (!answer.ok || !answer.body) await refuseStatus(url, answer)
  const hash = wanted === undefined ? undefined : sha256.create()
  const total = Number(answer.headers.get('content-length') ?? 0)
  let done = 0
  const watch = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      hash?.update(chunk)
      done += chunk.length
      options.onProgress?.({ file: url, done, total: Math.max(total, done) })
      controller.enqueue(chunk)
    },
  })
  const headers = new Headers(answer.headers)
  headers.delete('vary')
  if (wanted !== undefined) headers.set(hashHeader, wanted)
  await store.put(url, new Response(answer.body!.pipeThrough(watch), { headers }))
  const got = hash && bytesToHex(hash.digest())
  if (got !== wanted) {
    await store.delete(url)
    refuse('download-hash', url, `the downloaded bytes have the SHA-256 ${got}, wanted ${wanted}.`)
  }
  const stored = await store.match(url)
  if (!stored) refuse('cache-failed', url, 'the browser did not keep the file; its quota may be used up.')
  return await sourceOf(stored, url)
}

/** A Blob of the Cache Storage may stay on disk; slices of it are read as needed. */
async function sourceOf(answer: Response, url: string): Promise<ByteSource> {
  return blobSource(await answer.blob(), url)
}
