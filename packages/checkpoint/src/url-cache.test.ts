import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hubFiles } from './hub/files-in-browser.ts'
import { cachedDownload } from './url-cache.ts'

/** As much of the Cache Storage as is used. */
class MemoryCache {
  readonly kept = new Map<string, { body: ArrayBuffer; headers: Headers }>()

  async match(url: string): Promise<Response | undefined> {
    const found = this.kept.get(url)
    return found && new Response(found.body, { headers: found.headers })
  }

  async put(url: string, answer: Response): Promise<void> {
    this.kept.set(url, { body: await answer.arrayBuffer(), headers: answer.headers })
  }

  async delete(url: string): Promise<boolean> {
    return this.kept.delete(url)
  }
}

const url = 'https://example.org/model.bin'
const content = Uint8Array.from({ length: 1000 }, (_, i) => i)
let etag: string
let asked: string[]
const fetchContent: typeof fetch = async (to, init) => {
  asked.push(init?.method ?? 'GET')
  if (String(to).endsWith('missing.json')) return new Response(null, { status: 404 })
  const headers = { etag, 'content-length': '1000' }
  return new Response(init?.method === 'HEAD' ? null : content, { headers })
}
const options = { cache: true, fetch: fetchContent, retries: 0 }
const caches = new Map<string, MemoryCache>()

beforeEach(() => {
  etag = '"1"'
  asked = []
  caches.clear()
  Object.assign(globalThis, {
    caches: {
      open: async (name: string) => caches.get(name) ?? caches.set(name, new MemoryCache()).get(name),
    },
  })
})
afterEach(() => {
  Reflect.deleteProperty(globalThis, 'caches')
})

describe('downloads in the browser', () => {
  it('are kept in the Cache Storage until the file changes', async () => {
    const progress: number[] = []
    const read = async (more = {}) => {
      const source = await cachedDownload(url, { ...options, ...more })
      expect(source.size).toBe(1000)
      return await source.read(10, 3)
    }
    expect(await read({ onProgress: ({ done }: { done: number }) => progress.push(done) })).toEqual(
      content.slice(10, 13),
    )
    expect(progress.at(-1)).toBe(1000)
    await read()
    expect(asked).toEqual(['GET', 'HEAD'])
    await read({ offline: true })
    expect(asked).toEqual(['GET', 'HEAD'])
    etag = '"2"'
    await read()
    expect(asked).toEqual(['GET', 'HEAD', 'HEAD', 'GET'])
    await expect(cachedDownload(`${url}x`, { ...options, offline: true })).rejects.toMatchObject({
      code: 'offline-missing',
    })
  })

  it('are checked against a hash', async () => {
    const sha256 = createHash('sha256').update(content).digest('hex')
    await cachedDownload(url, { ...options, sha256 })
    await cachedDownload(url, { ...options, sha256 })
    expect(asked).toEqual(['GET'])
    const wrong = { ...options, sha256: 'f'.repeat(64) }
    await expect(cachedDownload(url, wrong)).rejects.toMatchObject({ code: 'download-hash' })
    expect(caches.get('filature')!.kept.size).toBe(0)
  })

  it('serve a repository of the hub by its URLs', async () => {
    const files = hubFiles(
      { endpoint: 'https://hub.example', id: 'org/name', revision: 'refs/pr/1' },
      { fetch: fetchContent, cacheDir: 'mine' },
    )
    const source = await files.open('sub/model.bin')
    expect(source?.size).toBe(1000)
    expect([...caches.get('mine')!.kept.keys()]).toEqual([
      'https://hub.example/org/name/resolve/refs%2Fpr%2F1/sub/model.bin',
    ])
    expect(await files.open('missing.json')).toBeUndefined()
  })
})
