import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openCheckpoint, openUrl } from '../index.ts'
import { encodeSafetensors } from '../safetensors/writer.ts'

let server: Server
let cache: string
let url: string
let content: Uint8Array
let etag: string
let status = 0
let ranges = true
let served = 0
let failures = 0

beforeEach(async () => {
  const numbers = Float32Array.from({ length: 100_000 }, (_, i) => i)
  content = await encodeSafetensors([
    { name: 'big', dtype: 'F32', shape: [100_000], bytes: () => new Uint8Array(numbers.buffer) },
    { name: 'small', dtype: 'F32', shape: [2], bytes: () => new Uint8Array(Float32Array.of(5, 6).buffer) },
  ])
  etag = '"1"'
  status = 0
  ranges = true
  served = 0
  failures = 0
  server = createServer((request, answer) => {
    if (failures > 0) {
      failures--
      return void answer.writeHead(503).end()
    }
    if (status) return void answer.writeHead(status).end()
    const range = ranges ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null
    const start = range ? Number(range[1]) : 0
    const end = range?.[2] ? Math.min(Number(range[2]) + 1, content.length) : content.length
    const partial = range ? { 'content-range': `bytes ${start}-${end - 1}/${content.length}` } : {}
    answer.writeHead(range ? 206 : 200, { etag, 'content-length': String(end - start), ...partial })
    if (request.method === 'HEAD') return void answer.end()
    served += end - start
    answer.end(content.subarray(start, end))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.safetensors`
  cache = await mkdtemp(join(tmpdir(), 'filature-url-'))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(cache, { recursive: true })
})

describe('a file behind a URL, by ranges', () => {
  it('fetches only what is asked for', async () => {
    await using checkpoint = await openCheckpoint(url)
    expect([...(await checkpoint.read('small'))]).toEqual([5, 6])
    expect(served).toBeLessThan(content.length / 2)
    expect((await checkpoint.read('big'))[99_999]).toBe(99_999)
  })

  it('refuses a server without ranges, a file that changes, and other answers', async () => {
    ranges = false
    await expect(openCheckpoint(url)).rejects.toMatchObject({ code: 'http-no-ranges' })
    ranges = true
    await using checkpoint = await openCheckpoint(url)
    etag = '"2"'
    await expect(checkpoint.read('big')).rejects.toMatchObject({ code: 'http-changed' })
    for (const [answer, code] of [
      [404, 'http-not-found'],
      [403, 'http-forbidden'],
      [401, 'http-unauthorized'],
      [418, 'http-status'],
    ] as const) {
      status = answer
      await expect(openCheckpoint(url)).rejects.toMatchObject({ code })
    }
  })

  it('tries again after a failure of the server, and gives up with an error of its own', async () => {
    failures = 2
    await using checkpoint = await openCheckpoint(url)
    expect(checkpoint.names()).toEqual(['big', 'small'])
    failures = 100
    await expect(openCheckpoint(url, { retries: 0 })).rejects.toMatchObject({ code: 'http-status' })
    const down = async () => Promise.reject(new TypeError('fetch failed'))
    await expect(openUrl(url, { fetch: down, retries: 0 })).rejects.toMatchObject({ code: 'http-failed' })
  })
})

describe('a file behind a URL, cached', () => {
  const sum = () => createHash('sha256').update(content).digest('hex')

  it('downloads once and again when it changed', async () => {
    const read = async (options = {}) => {
      await using checkpoint = await openCheckpoint(url, { cache, ...options })
      return [...(await checkpoint.read('small'))]
    }
    const progress: number[] = []
    expect(await read({ onProgress: ({ done }: { done: number }) => progress.push(done) })).toEqual([5, 6])
    expect(progress.at(-1)).toBe(content.length)
    expect(served).toBe(content.length)
    expect(await read()).toEqual([5, 6])
    expect(await read({ offline: true })).toEqual([5, 6])
    expect(served).toBe(content.length)
    etag = '"2"'
    expect(await read()).toEqual([5, 6])
    expect(served).toBe(2 * content.length)
    expect((await readdir(cache)).filter((name) => /incomplete|lock|begun|tmp/.test(name))).toEqual([])
  })

  it('checks a hash', async () => {
    await openCheckpoint(url, { cache, sha256: sum() }).then((c) => c.close())
    const before = served
    await openCheckpoint(url, { cache, sha256: sum().toUpperCase(), offline: true }).then((c) => c.close())
    expect(served).toBe(before)
    const wrong = 'f'.repeat(64)
    await expect(openCheckpoint(url, { cache, sha256: wrong })).rejects.toMatchObject({ code: 'download-hash' })
    await expect(openUrl(url, { cache, sha256: 'abc' })).rejects.toMatchObject({ code: 'url-option' })
    await expect(openUrl(url, { sha256: sum() })).rejects.toMatchObject({ code: 'url-option' })
    await expect(openUrl(`${url}x`, { cache, offline: true })).rejects.toMatchObject({ code: 'offline-missing' })
  })
})
