import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LocalHub } from '../__fixtures__/local-hub.ts'
import { bytesOf } from '../encode.ts'
import { encodeSafetensors } from '../safetensors/writer.ts'
import { openPretrained, type PretrainedOptions } from './open-pretrained.ts'

const commit = 'a'.repeat(40)
const later = 'b'.repeat(40)
const config = { model_type: 'tiny' }
const weights = async (first: number, length = 50_000) => {
  const values = Float32Array.from({ length }, (_, i) => first + i)
  return await encodeSafetensors([
    { name: 'w', dtype: 'F32', shape: [length], bytes: () => bytesOf(values, 'F32', 'w') },
  ])
}

let hub: LocalHub
let cacheDir: string
beforeEach(async () => {
  hub = await new LocalHub().start()
  cacheDir = await mkdtemp(join(tmpdir(), 'filature-hub-'))
  hub.large.add('model.safetensors')
  hub.add('org/tiny', commit, {
    'config.json': JSON.stringify(config),
    'tokenizer.json': '{}',
    'model.safetensors': await weights(1),
  })
})
afterEach(async () => {
  await hub[Symbol.asyncDispose]()
  await rm(cacheDir, { recursive: true })
})

const open = (options: PretrainedOptions = {}, id = 'org/tiny') =>
  openPretrained(id, { cacheDir, endpoint: hub.endpoint, ...options })
const folder = (...parts: string[]) => join(cacheDir, 'models--org--tiny', ...parts)
/** Tells the hub what has come, so that it breaks off there. */
const onProgress: PretrainedOptions['onProgress'] = ({ file, done }) => {
  if (file === 'model.safetensors') hub.received(done)
}
const first = async (options: PretrainedOptions = {}) => {
  await using pretrained = await open(options)
  return (await pretrained.checkpoint.read('w'))[0]
}

describe('openPretrained from a hub', () => {
  it('downloads once, in the layout of Hugging Face’s cache', async () => {
    await using pretrained = await open()
    expect(pretrained.config).toEqual(config)
    expect(pretrained.commit).toBe(commit)
    expect((await pretrained.checkpoint.read('w'))[49_999]).toBe(50_000)
    expect(await readFile(folder('refs', 'main'), 'utf8')).toBe(commit)
    const link = await readlink(folder('snapshots', commit, 'model.safetensors'))
    expect(link).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/)
    expect(await readlink(folder('snapshots', commit, 'config.json'))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/)
    expect((await readdir(folder('blobs'))).filter((name) => name.includes('.'))).toEqual([])

    hub.requests.length = 0
    expect(await first()).toBe(1)
    expect(hub.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'HEAD /org/tiny/resolve/main/config.json', // whether the branch moved; the rest is known for that commit
    ])
  })

  it('asks nobody for a commit that it has, nor when told to stay offline', async () => {
    await first()
    hub.requests.length = 0
    expect(await first({ revision: commit })).toBe(1)
    expect(await first({ offline: true })).toBe(1)
    expect(await first({ offline: true, revision: commit })).toBe(1)
    expect(hub.requests).toEqual([])
    await expect(open({ offline: true, revision: 'other' })).rejects.toMatchObject({ code: 'offline-missing' })
    await expect(open({ offline: true }, 'org/none')).rejects.toMatchObject({ code: 'offline-missing' })
  })

  it('follows the branch to a new commit, and keeps the old one', async () => {
    await first()
    hub.add('org/tiny', later, { 'config.json': JSON.stringify(config), 'model.safetensors': await weights(5) })
    expect(await first()).toBe(5)
    expect(await first({ revision: commit })).toBe(1)
    expect((await readdir(folder('snapshots'))).sort()).toEqual([commit, later])
  })

  it('takes every file from one commit though the branch moves meanwhile', async () => {
    const next = await weights(5)
    const moving: typeof fetch = async (url, init) => {
      const answer = await fetch(url, init)
      hub.add('org/tiny', later, { 'config.json': '{}', 'model.safetensors': next })
      return answer
    }
    expect(await first({ fetch: moving })).toBe(1)
  })

  it('uses a cache that another library filled', async () => {
    await mkdir(folder('snapshots', commit), { recursive: true })
    await mkdir(folder('refs'))
    await writeFile(folder('refs', 'main'), commit)
    await writeFile(folder('snapshots', commit, 'config.json'), JSON.stringify(config))
    await writeFile(folder('snapshots', commit, 'model.safetensors'), await weights(9))
    expect(await first({ offline: true })).toBe(9)
    expect(hub.requests).toEqual([])
  })

  it('remembers what a commit does not have', async () => {
    await using pretrained = await open()
    expect(await pretrained.text('merges.txt')).toBeUndefined()
    hub.requests.length = 0
    expect(await pretrained.text('merges.txt')).toBeUndefined()
    expect(hub.requests).toEqual([])
    expect(await pretrained.text('tokenizer.json')).toBe('{}')
  })

  it('goes on with a download that broke off, within a call and over calls', async () => {
    hub.breakAfter = 60_000
    hub.breaks = 2
    expect(await first({ onProgress })).toBe(1)
    const gets = hub.requests.filter(({ path }) => path.startsWith('storage:'))
    expect(gets.map(({ range }) => range)).toEqual([undefined, 'bytes=60000-', 'bytes=120000-'])

    hub.add('org/tiny', later, { 'config.json': '{}', 'model.safetensors': await weights(5) })
    const controller = new AbortController()
    const stop = ({ file, done }: { file: string; done: number }) => {
      if (file === 'model.safetensors' && done >= 70_000) controller.abort()
    }
    hub.breakAfter = 70_000
    hub.breaks = 1
    await expect(open({ signal: controller.signal, onProgress: stop })).rejects.toThrow('abort')
    hub.breaks = 0
    hub.requests.length = 0
    expect(await first()).toBe(5)
    const again = hub.requests.find(({ path }) => path.startsWith('storage:'))
    expect(again?.range).toMatch(/^bytes=[1-9]\d+-$/)
  })

  it('goes on rightly where the storage knows no ranges', async () => {
    hub.noRanges = true
    hub.breakAfter = 60_000
    hub.breaks = 1
    expect(await first({ onProgress })).toBe(1)
  })

  it('refuses bytes of another hash, and starts anew', async () => {
    hub.corrupt = true
    await expect(open()).rejects.toMatchObject({ code: 'download-hash' })
    expect((await readdir(folder('blobs'))).filter((name) => name.includes('incomplete'))).toEqual([])
    hub.corrupt = false
    expect(await first()).toBe(1)
  })

  it('reports progress by file', async () => {
    const seen = new Map<string, number>()
    await first({ onProgress: ({ file, done, total }) => seen.set(file, done / total) })
    expect(Object.fromEntries(seen)).toEqual({ 'config.json': 1, 'model.safetensors': 1 })
  })

  it('sends the token to the hub alone', async () => {
    hub.token = 'secret'
    await expect(open()).rejects.toMatchObject({ code: 'hub-gated' })
    hub.requests.length = 0
    expect(await first({ token: 'secret' })).toBe(1)
    const toStorage = hub.requests.filter(({ path }) => path.startsWith('storage:'))
    expect(toStorage.length).toBeGreaterThan(0)
    // Both servers are 127.0.0.1, yet of another origin.
    expect(toStorage.map(({ authorization }) => authorization)).toEqual(toStorage.map(() => undefined))
  })

  it('follows a repository that moved', async () => {
    hub.moved.set('org/old', 'org/tiny')
    await using pretrained = await open({}, 'org/old')
    expect(pretrained.config).toEqual(config)
  })

  it('opens sharded .bin and named files too', async () => {
    hub.add('org/tiny', later, {
      'config.json': '{}',
      'model.safetensors.index.json': '{"weight_map":{"w":"model-1.safetensors"}}',
      'model-1.safetensors': await weights(7),
      'other.safetensors': await weights(8),
    })
    expect(await first()).toBe(7)
    expect(await first({ weights: 'other.safetensors' })).toBe(8)
    await expect(open({ weights: 'none.bin' })).rejects.toMatchObject({ code: 'file-missing' })
  })

  it('two at once get the same whole file', async () => {
    const all = await Promise.all([first(), first(), first()])
    expect(all).toEqual([1, 1, 1])
    expect((await readdir(folder('blobs'))).filter((name) => name.includes('.'))).toEqual([])
  })

  it('says what the hub does not have', async () => {
    await expect(open({}, 'org/none')).rejects.toMatchObject({ code: 'hub-no-repository' })
    await expect(open({ revision: 'none' })).rejects.toMatchObject({ code: 'hub-no-revision' })
    hub.add('org/tiny', later, { 'config.json': '{}' })
    await expect(open()).rejects.toMatchObject({ code: 'weights-missing' })
  })

  it.each([
    ['a commit with dots', { 'x-repo-commit': '../../../../etc' }, 'hub-answer'],
    ['a hash with slashes', { etag: '"../../x"' }, 'hub-answer'],
  ])('refuses %s in its answer', async (_, headers, code) => {
    hub.headers = headers as Record<string, string>
    await expect(open()).rejects.toMatchObject({ code })
  })

  it.each(['../x', 'main/../..', '', '/main'])('refuses the revision %j', async (revision) => {
    await expect(open({ revision })).rejects.toMatchObject({ code: 'hub-revision' })
  })
})
