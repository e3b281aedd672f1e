import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile, cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type GgufTensorToWrite, type GgufWriter, gguf } from '../__fixtures__/writing-gguf.ts'
import { type Checkpoint, openCheckpoint, openGguf, openPretrained } from '../index.ts'
import { openSource } from '../open-source.ts'
import { bytesSource } from '../sources/memory.ts'

// Parts that llama.cpp's Python package wrote: two tensors, two, one.
const fixtures = fileURLToPath(new URL('../__fixtures__/gguf/', import.meta.url))
const parts = ['split-00001-of-00003.gguf', 'split-00002-of-00003.gguf', 'split-00003-of-00003.gguf'] as const
const bytesOf = (part: string) => new Uint8Array(readFileSync(fixtures + part))

async function expectWhole(checkpoint: Checkpoint) {
  expect(checkpoint.format).toBe('gguf')
  expect(checkpoint.names()).toEqual(['t0', 't1', 't2', 't3', 't4'])
  for (const [i, name] of checkpoint.names().entries()) {
    expect(checkpoint.info(name)).toEqual({ dtype: 'F32', shape: [2, 3] })
    expect([...(await checkpoint.read(name))]).toEqual([0, 1, 2, 3, 4, 5].map((n) => 100 * i + n))
  }
  expect(checkpoint.metadata.get('llama.block_count')).toBe(1)
  expect(checkpoint.metadata.get('split.no')).toBe(0)
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-'))
  for (const part of parts) await cp(fixtures + part, join(folder, part))
})
afterEach(() => rm(folder, { recursive: true }))
const file = (name: string) => join(folder, name)

describe('a GGUF in parts opens as one', () => {
  it('by the path of its first part, and as a model’s weights', async () => {
    await using checkpoint = await openCheckpoint(file(parts[0]))
    await expectWhole(checkpoint)
    await expect(checkpoint.read('t5')).rejects.toMatchObject({ code: 'no-such-tensor' })
    await using pretrained = await openPretrained(folder, { weights: parts[0] })
    await expectWhole(pretrained.checkpoint)
    expect(pretrained.config).toEqual({})
    await writeFile(file('config.json'), '{"model_type":"llama"}')
    await using described = await openPretrained(folder, { weights: parts[0] })
    expect(described.config).toEqual({ model_type: 'llama' })
  })

  it('by the URL of its first part', async () => {
    const asked: string[] = []
    const served = new Map<string, Uint8Array>(parts.map((part) => [part, bytesOf(part)]))
    const get = (async (to, init) => {
      const { pathname, search } = new URL(String(to))
      const name = pathname.split('/').at(-1)!
      asked.push(`${name}${search}`)
      const bytes = served.get(name)
      if (!bytes) return new Response(null, { status: 404 })
      const size = { 'content-length': String(bytes.length), etag: '"1"' }
      if (init?.method === 'HEAD') return new Response(null, { headers: size })
      const range = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init?.headers).get('range') ?? '')
      if (!range) return new Response(bytes.slice(), { headers: size })
      const [begin, end] = [Number(range[1]), Math.min(Number(range[2]) + 1, bytes.length)]
      const headers = { 'content-range': `bytes ${begin}-${end - 1}/${bytes.length}`, etag: '"1"' }
      return new Response(bytes.slice(begin, end), { status: 206, headers })
    }) as typeof fetch
    const url = `https://example.org/a%20b/${parts[0]}?download=true`
    await using checkpoint = await openCheckpoint(url, { fetch: get, retries: 0 })
    await expectWhole(checkpoint)
    expect([...new Set(asked)]).toEqual(parts.map((part) => `${part}?download=true`))
    await using cached = await openCheckpoint(url, { fetch: get, retries: 0, cache: file('cache') })
    await expectWhole(cached)

    served.delete(parts[1])
    const opening = openCheckpoint(url, { fetch: get, retries: 0 })
    await expect(opening).rejects.toMatchObject({ code: 'gguf-split-missing' })
    const sha256 = createHash('sha256').update(bytesOf(parts[0])).digest('hex')
    const hashed = openCheckpoint(url, { fetch: get, retries: 0, cache: file('cache'), sha256 })
    await expect(hashed).rejects.toMatchObject({ name: 'ConfigError', code: 'url-option' })
  })

  it('by the files that it is given', async () => {
    const open = async (name: string) => bytesSource(bytesOf(name), name)
    await using checkpoint = await openGguf(await open(parts[0]), { file: parts[0], open })
    await expectWhole(checkpoint)
    const alone = openCheckpoint(new Blob([bytesOf(parts[0])]))
    await expect(alone).rejects.toMatchObject({ name: 'CheckpointError', code: 'gguf-split-alone' })
    await expect(alone).rejects.toThrow('it is part 1 of 3; open the first by its path or URL')
  })
})

describe('parts that do not fit are refused, each with its own error', () => {
  const refused = async (code: string, told: string, part: string = parts[0]) => {
    const opening = openCheckpoint(file(part))
    await expect(opening).rejects.toMatchObject({ name: 'CheckpointError', code })
    await expect(opening).rejects.toThrow(told)
  }
  const key = (name: string, value: number) => (w: GgufWriter) => w.text(name).u32(4).u32(value)
  const writePart = async (name: string, no: number, count: number, tensors: string[], total?: number) => {
    const listed = tensors.map((t): GgufTensorToWrite => ({ name: t, dims: [2], type: 0, data: new Uint8Array(8) }))
    const keys = [key('split.no', no), key('split.count', count)]
    if (total !== undefined) keys.push(key('split.tensors.count', total))
    await writeFile(file(name), gguf({ keys, tensors: listed }))
  }

  it('a part that is missing, and every part but the first', async () => {
    await refused('gguf-split-first', `it is part 2 of 3; open the first, "${parts[0]}"`, parts[1])
    await refused('gguf-split-first', `it is part 3 of 3; open the first, "${parts[0]}"`, parts[2])
    await rm(file(parts[2]))
    await refused('gguf-split-missing', `its part 3 of 3, "${parts[2]}", is not beside it`)
    await rm(file(parts[1]))
    await refused('gguf-split-missing', `its part 2 of 3, "${parts[1]}", is not beside it`)
  })

  it('a first part of another name, or named for another number of parts', async () => {
    await rename(file(parts[0]), file('split.gguf'))
    await refused('gguf-split-name', 'it is part 1 of 3, but not named so', 'split.gguf')
    await rename(file('split.gguf'), file('split-00001-of-00004.gguf'))
    await refused('gguf-split-name', 'it is part 1 of 3, but not named so', 'split-00001-of-00004.gguf')
  })

  it('a part in another’s place, a part of another model, a part that is broken', async () => {
    await copyFile(file(parts[2]), file(parts[1]))
    await refused('gguf-split', 'it says to be part 3 of 3, wanted part 2 of 3')
    await writePart(parts[1], 1, 2, ['t2'])
    await refused('gguf-split', 'it says to be part 2 of 2, wanted part 2 of 3')
    await writePart(parts[1], 1, 3, ['t2', 't0'])
    await refused('shards-duplicate-tensor', 'tensor "t0" is in two files')
    await writePart(parts[1], 1, 3, ['t2'])
    await refused('gguf-split', 'its parts hold 4 tensors, but it says that there are 5')
    await writeFile(file(parts[1]), bytesOf(parts[1]).slice(0, 200))
    await refused('gguf-truncated', parts[1])
  })

  it.each([
    ['no parts', 0, 0],
    ['more parts than 16 bits count', 0, 65_536],
    ['a place behind the last', 3, 3],
  ])('%s', async (_, no, count) => {
    await writePart(parts[0], no, count, ['t0'])
    await refused('gguf-split', 'wanted a whole number from')
  })

  it('and closed', async () => {
    let open = 0
    const watched = (name: string) => {
      open++
      return { ...bytesSource(bytesOf(name), name), close: async () => void open-- }
    }
    const beside = { file: parts[0], open: async (name: string) => (name === parts[2] ? undefined : watched(name)) }
    await expect(openSource(watched(parts[0]), {}, beside)).rejects.toMatchObject({ code: 'gguf-split-missing' })
    expect(open).toBe(0)
    const whole = await openGguf(watched(parts[0]), { file: parts[0], open: async (name) => watched(name) })
    expect(open).toBe(3)
    await whole.close()
    expect(open).toBe(0)
  })
})

it('a model in one part of its own opens whatever it is called', async () => {
  const keys = [(w: GgufWriter) => w.text('split.count').u32(4).u32(1)]
  const tensors = [{ name: 'w', dims: [2], type: 0, data: new Uint8Array(8) }]
  await writeFile(file('whole.gguf'), gguf({ keys, tensors }))
  await using checkpoint = await openCheckpoint(file('whole.gguf'))
  expect(checkpoint.names()).toEqual(['w'])
})
