import { createHash, type Hash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isAlive } from './atomic-write.node.ts'
import { refuse } from './refuse.ts'
import { type HttpOptions, refuseStatus, request } from './sources/http.ts'
import type { DownloadProgress } from './url-options.ts'

export interface Expected {
  /** Bytes of the whole file. */
  readonly size: number
  /** SHA-256 of the content, or the SHA-1 under which git keeps it; hexadecimal. */
  readonly sha256?: string | undefined
  readonly gitSha1?: string | undefined
}

export interface DownloadOptions extends HttpOptions {
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
}

/**
 * Downloads to `path`, through `path.incomplete`: what an interrupted download left is gone on with. The file appears
 * under its name when it is whole, has its hash, and is synced. Two processes never write the same file.
 */
export async function download(url: string, path: string, expected: Expected, options: DownloadOptions): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const unlock = await lock(`${path}.lock`)
  const incomplete = unlock ? `${path}.incomplete` : `${path}.${randomBytes(6).toString('hex')}.incomplete`
  try {
    if (await isWhole(path, expected.size)) return // another process was faster
    await fill(url, incomplete, expected, options)
    await rename(incomplete, path)
  } finally {
    if (!unlock) await rm(incomplete, { force: true })
    await unlock?.()
  }
}

async function isWhole(path: string, size: number): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.size === size
}

/** Takes a lock file, or says by undefined that a live process has it. */
async function lock(path: string): Promise<(() => Promise<void>) | undefined> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' })
      return () => rm(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const pid = Number(await readFile(path, 'utf8').catch(() => ''))
      if (pid === 0 || isAlive(pid)) return undefined
      await rm(path, { force: true })
    }
  }
  return undefined
}

async function fill(url: string, path: string, expected: Expected, options: DownloadOptions): Promise<void> {
  const hash = expected.gitSha1
    ? createHash('sha1').update(`blob ${expected.size}\0`)
    : expected.sha256
      ? createHash('sha256')
      : undefined
  const left = (await stat(path).catch(() => undefined))?.size ?? 0
  let done = left <= expected.size ? left : 0
  const handle = await open(path, done > 0 ? 'r+' : 'w')
  try {
    if (hash && done > 0) await addFile(hash, path)
    const report = () => options.onProgress?.({ file: url, done, total: expected.size })
    report()
    for (let failures = 0; done < expected.size; ) {
      const before = done
      try {
        const answer = await ask(url, done, expected.size, options)
        for await (const chunk of answer) {
          if (done + chunk.length > expected.size)
            refuse('download-size', url, `more than ${expected.size} bytes came.`)
          await handle.write(chunk, 0, chunk.length, done)
          hash?.update(chunk)
          done += chunk.length
          report()
        }
        if (done < expected.size) throw new TypeError('the connection closed early')
      } catch (cause) {
        options.signal?.throwIfAborted() // the connection may have broken of it, or meanwhile
        // A broken connection; any other trouble has a code of its own.
        if (!(cause instanceof TypeError)) throw cause
        failures = done > before ? 0 : failures + 1
        if (failures > (options.retries ?? 3)) {
          refuse('http-failed', url, `the download broke off at ${done} of ${expected.size} bytes.`, cause)
        }
      }
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  const wanted = expected.gitSha1 ?? expected.sha256
  const got = hash?.digest('hex')
  if (wanted !== undefined && got !== wanted.toLowerCase()) {
    await rm(path, { force: true })
    refuse('download-hash', url, `the downloaded bytes have the hash ${got}, wanted ${wanted}.`)
  }
}

async function addFile(hash: Hash, path: string): Promise<void> {
  for await (const chunk of createReadStream(path)) hash.update(chunk)
}

/** The bytes from `offset` on. */
async function ask(
  url: string,
  offset: number,
  size: number,
  options: DownloadOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const range: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {}
  const headers = { ...options.headers, 'accept-encoding': 'identity', ...range }
  const answer = await request(url, { headers }, options)
  if (answer.status !== 200 && answer.status !== 206) await refuseStatus(url, answer)
  if (!answer.body) refuse('http-failed', url, 'the server answered without a body.')
  const body = answer.body as unknown as AsyncIterable<Uint8Array>
  if (offset === 0 && answer.status === 200) return body
  if (answer.status === 200) return skip(body, offset) // the server knows no ranges
  const start = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')
  if (Number(start?.[1]) !== offset || Number(start?.[2]) !== size) {
    refuse('http-range', url, 'the server answered another range than asked.')
  }
  return body
}

async function* skip(body: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes
  for await (const chunk of body) {
    if (chunk.length > left) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}
