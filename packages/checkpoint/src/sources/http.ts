import type { ByteSource } from '../byte-source.ts'
import { refuse } from '../refuse.ts'
import { checkRange } from './range.ts'

export interface HttpOptions {
  /** In place of the global `fetch`. */
  readonly fetch?: typeof fetch
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Tries again after a network error or a 429 or 5xx answer, waiting 0.25 s, then twice as long each time. */
  readonly retries?: number
}

/** Reads below this are served from one window, so that a header costs one request. */
const windowBytes = 64 << 10

/**
 * A file behind a URL, read by HTTP ranges: only what is asked for travels. The server must answer ranges and must not
 * change the file meanwhile (its ETag and size are checked with each answer).
 */
export async function httpSource(url: string | URL, options: HttpOptions = {}): Promise<ByteSource> {
  const name = String(url)
  const first = await requestRange(name, 0, windowBytes, options)
  const { size, etag } = first
  let windowStart = 0
  let window = first.bytes

  async function fetchRange(offset: number, length: number): Promise<Uint8Array> {
    const got = await requestRange(name, offset, length, options)
    if (got.size !== size || got.etag !== etag)
      refuse('http-changed', name, 'the file changed on the server meanwhile.')
    if (got.bytes.length !== length) {
      refuse('read-short', name, `wanted ${length} bytes at ${offset}, got ${got.bytes.length}.`)
    }
    return got.bytes
  }

  return {
    name,
    size,
    async read(offset, length) {
      checkRange(name, size, offset, length)
      if (length === 0) return new Uint8Array(0)
      const inWindow = () => offset >= windowStart && offset + length <= windowStart + window.length
      if (!inWindow()) {
        if (length >= windowBytes) return await fetchRange(offset, length)
        const bytes = await fetchRange(offset, Math.min(windowBytes, size - offset))
        windowStart = offset
        window = bytes
        return bytes.slice(0, length)
      }
      return window.slice(offset - windowStart, offset - windowStart + length)
    },
    async close() {},
  }
}

interface RangeAnswer {
  readonly bytes: Uint8Array
  readonly size: number
  readonly etag: string | null
}

async function requestRange(url: string, offset: number, length: number, options: HttpOptions): Promise<RangeAnswer> {
  const headers = { ...options.headers, range: `bytes=${offset}-${offset + length - 1}`, 'accept-encoding': 'identity' }
  const answer = await request(url, { headers }, options)
  const etag = answer.headers.get('etag')
  if (answer.status === 416 && offset === 0) return { bytes: new Uint8Array(0), size: 0, etag } // an empty file
  if (answer.status === 200) {
    await answer.body?.cancel()
    refuse('http-no-ranges', url, 'the server does not answer ranges; open the URL with a cache, which downloads it.')
  }
  if (answer.status !== 206) await refuseStatus(url, answer)
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')
  if (!range || Number(range[1]) !== offset) refuse('http-range', url, 'the server answered another range than asked.')
  return { bytes: new Uint8Array(await answer.arrayBuffer()), size: Number(range[3]), etag }
}

/** Throws the CheckpointError of an answer that is no success. */
export async function refuseStatus(url: string, answer: Response): Promise<never> {
  await answer.body?.cancel()
  const codes: Record<number, string> = { 401: 'http-unauthorized', 403: 'http-forbidden', 404: 'http-not-found' }
  refuse(codes[answer.status] ?? 'http-status', url, `the server answered ${answer.status} ${answer.statusText}`.trim())
}

/** fetch with retries; network errors come out as CheckpointError `http-failed`. */
export async function request(url: string, init: RequestInit, options: HttpOptions): Promise<Response> {
  const { fetch: get = fetch, retries = 3, signal } = options
  for (let attempt = 0; ; attempt++) {
    const last = attempt >= retries
    try {
      const answer = await get(url, signal ? { ...init, signal } : init)
      if (last || !(answer.status === 429 || answer.status >= 500)) return answer
      await answer.body?.cancel()
    } catch (cause) {
      if (signal?.aborted) throw cause
      if (last) refuse('http-failed', url, `the request failed: ${(cause as Error).message}`, cause)
    }
    await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** attempt))
  }
}
