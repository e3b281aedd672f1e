import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { init, Linear, Module, Rng, stateOf } from '@filature/tensor'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bytesOf } from './encode.ts'
import { load, openCheckpoint, openPretrained, save, savePretrained } from './index.ts'
import { encodeSafetensors, type TensorToWrite } from './safetensors/writer.ts'

class Stack extends Module {
  readonly layers: Linear[]

  constructor(count: number) {
    super()
    this.layers = Array.from({ length: count }, () => new Linear(4, 4))
  }
}

const made = (seed: number, count = 4) => init(new Stack(count), new Rng(seed))
const valuesOf = async (model: Module) =>
  Promise.all([...stateOf(model)].map(async ([path, leaf]) => [path, [...(await leaf.value.data())]]))
const shardBytes = 2 * (64 + 16) // two layers

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-'))
})
afterEach(() => rm(folder, { recursive: true }))

const file = (name: string) => join(folder, name)
const tensor = (name: string, values: number[]): TensorToWrite => ({
  name,
  dtype: 'F32',
  shape: [values.length],
  bytes: () => bytesOf(Float32Array.from(values), 'F32', name),
})
const write = async (name: string, ...tensors: TensorToWrite[]) =>
  await writeFile(file(name), await encodeSafetensors(tensors))
const index = async (weight_map: object) =>
  await writeFile(file('model.safetensors.index.json'), JSON.stringify({ metadata: { total_size: 1 }, weight_map }))

async function reloaded(path: string, count = 4) {
  const model = new Stack(count)
  await using checkpoint = await openCheckpoint(path)
  await load(model, checkpoint)
  return await valuesOf(model)
}

describe('saving to a folder', () => {
  it('writes one file, or shards and an index, and reads both back', async () => {
    expect(await save(made(1), folder)).toEqual([file('model.safetensors')])
    expect(await reloaded(folder)).toEqual(await valuesOf(made(1)))

    const written = await save(made(2), folder, { maxShardBytes: shardBytes })
    expect(written.map((path) => path.slice(folder.length + 1))).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ])
    expect((await readdir(folder)).sort()).toEqual(written.map((path) => path.slice(folder.length + 1)).sort())
    expect(await reloaded(folder)).toEqual(await valuesOf(made(2)))
    expect(await reloaded(file('model.safetensors.index.json'))).toEqual(await valuesOf(made(2)))
    const json = JSON.parse(await readFile(file('model.safetensors.index.json'), 'utf8'))
    expect(json.metadata.total_size).toBe(4 * (64 + 16))
    expect(json.weight_map['layers.3.bias']).toBe('model-00002-of-00002.safetensors')
  })

  it('never overwrites the shards of the index at hand, and removes them afterwards', async () => {
    await save(made(1), folder, { maxShardBytes: shardBytes })
    await save(made(2), folder, { maxShardBytes: shardBytes })
    expect((await readdir(folder)).sort()).toEqual([
      'model.2-00001-of-00002.safetensors',
      'model.2-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ])
    expect(await reloaded(folder)).toEqual(await valuesOf(made(2)))
    await save(made(3), folder)
    expect(await readdir(folder)).toEqual(['model.safetensors'])
    expect(await reloaded(folder)).toEqual(await valuesOf(made(3)))
  })

  it('gives a tensor larger than the bound a shard of its own', async () => {
    const written = await save(made(1, 2), folder, { maxShardBytes: 20 })
    expect(written).toHaveLength(5)
    expect(await reloaded(folder, 2)).toEqual(await valuesOf(made(1, 2)))
    await expect(save(made(1), folder, { maxShardBytes: 0 })).rejects.toMatchObject({ code: 'max-shard-bytes' })
  })

  it('keeps the old file when writing fails, and leaves nothing behind', async () => {
    await save(made(1), folder)
    const before = await readFile(file('model.safetensors'))
    const { writeFileAtomic } = await import('./platform.node.ts')
    async function* breaking() {
      yield new Uint8Array(10)
      throw new Error('no more')
    }
    await expect(writeFileAtomic(file('model.safetensors'), breaking())).rejects.toThrow('no more')
    expect(await readdir(folder)).toEqual(['model.safetensors'])
    expect(await readFile(file('model.safetensors'))).toEqual(before)
  })

  it('writes a folder in Hugging Face’s layout, and opens it', async () => {
    const config = { model_type: 'stack', hidden_size: 4 }
    const written = await savePretrained(made(1), folder, { config, files: { 'tokenizer.json': '{"a":1}' } })
    expect(written.map((path) => path.slice(folder.length + 1))).toEqual([
      'config.json',
      'tokenizer.json',
      'model.safetensors',
    ])
    await using pretrained = await openPretrained(folder)
    expect(pretrained.config).toEqual(config)
    expect(await pretrained.text('tokenizer.json')).toBe('{"a":1}')
    expect(await pretrained.text('merges.txt')).toBeUndefined()
    expect(pretrained.checkpoint.metadata.get('format')).toBe('pt')
    const model = new Stack(4)
    await load(model, pretrained.checkpoint)
    expect(await valuesOf(model)).toEqual(await valuesOf(made(1)))
    await expect(pretrained.text('../secret')).rejects.toMatchObject({ code: 'hub-file-name' })
  })

  it('refuses what it cannot write before it writes anything', async () => {
    await savePretrained(made(1), folder, { config: { of: 'before' } })
    const before = await readFile(file('config.json'), 'utf8')
    const refused = async (code: string, options: object, model = made(2)) => {
      const saving = savePretrained(model, folder, { config: { of: 'after' }, ...options } as {
        config: Record<string, unknown>
      })
      await expect(saving, code).rejects.toMatchObject({ code, message: expect.stringMatching(/^(save|A parameter)/) })
      expect(await readFile(file('config.json'), 'utf8'), code).toBe(before)
    }
    await refused('save-option', { dtype: 'f16' })
    await refused('save-option', { ties: 'last' })
    await refused('max-shard-bytes', { maxShardBytes: 0 })
    await refused('parameter-empty', {}, new Stack(1))
    await refused('hub-file-name', { files: { '../x': '' } })
    await refused('save-files', { files: { 'config.json': '{}' } })
    await refused('save-files', { files: { 'model.safetensors': '' } })
    await refused('save-config', { config: { hidden_act: (x: unknown) => x } })
    await refused('save-config', { config: { rope: { factor: Number.NaN } } })
    expect(await readdir(folder)).toHaveLength(2)
  })
})

describe('opening', () => {
  it('takes paths, file URLs, Blobs, bytes and sources', async () => {
    await save(made(1), folder)
    const path = file('model.safetensors')
    const bytes = await readFile(path)
    for (const target of [path, pathToFileURL(path), String(pathToFileURL(path)), new Blob([bytes]), bytes]) {
      await using checkpoint = await openCheckpoint(target)
      expect(checkpoint.names()).toHaveLength(8)
      expect((await checkpoint.read('layers.0.bias')).length).toBe(4)
    }
  })

  it('tells safetensors from a pickle whatever the length of their header', async () => {
    const lengths = new Set<number>()
    for (let pad = 0; pad < 300; pad++) {
      const bytes = await encodeSafetensors([tensor('w', [1])], { note: 'x'.repeat(pad) })
      lengths.add(bytes[0]!)
      await using checkpoint = await openCheckpoint(bytes)
      expect(checkpoint.format).toBe('safetensors')
    }
    expect(lengths.has(0x80)).toBe(true) // a pickle's first byte
  })

  it('refuses options that would promise what is not done', async () => {
    await savePretrained(made(1), folder, { config: {} })
    const sha256 = 'a'.repeat(64)
    for (const target of [file('model.safetensors'), folder, await readFile(file('model.safetensors'))]) {
      const opening = openCheckpoint(target, { cache: true, sha256 })
      await expect(opening).rejects.toMatchObject({ name: 'ConfigError', code: 'url-option' })
    }
    const opening = openPretrained(folder, { revision: 'main' })
    await expect(opening).rejects.toMatchObject({ name: 'ConfigError', code: 'hub-option' })
  })

  it('says what is not there', async () => {
    await expect(openCheckpoint(file('none.safetensors'))).rejects.toMatchObject({ code: 'file-missing' })
    await expect(openCheckpoint(folder)).rejects.toMatchObject({ code: 'weights-missing' })
    await expect(openPretrained(`${folder}/none`)).rejects.toMatchObject({ code: 'folder-missing' })
    await expect(openPretrained(folder)).rejects.toMatchObject({ code: 'config-missing' })
    await writeFile(file('config.json'), '[]')
    await expect(openPretrained(folder)).rejects.toMatchObject({ code: 'config-malformed' })
    await expect(openPretrained('no/such/id')).rejects.toMatchObject({ code: 'hub-id' })
    await expect(openPretrained('a/..')).rejects.toMatchObject({ code: 'hub-id' })
  })

  it('notices a file that shrank after it was opened', async () => {
    await save(made(1), folder)
    await using checkpoint = await openCheckpoint(folder)
    const { size } = await stat(file('model.safetensors'))
    const { truncate } = await import('node:fs/promises')
    await truncate(file('model.safetensors'), size - 8)
    const reads = checkpoint.names().map((name) => checkpoint.read(name))
    expect((await Promise.allSettled(reads)).filter((r) => r.status === 'rejected')).toHaveLength(1)
  })
})

describe('hostile indexes are refused, each with its own error', () => {
  const opening = () => openCheckpoint(folder)

  it.each(['../model.safetensors', '/etc/passwd', 'a/b.safetensors', '..\\b', 'C:\\x', '..', '', 'a\u0000b'])(
    'a shard named %j',
    async (shard) => {
      await index({ a: shard })
      await expect(opening()).rejects.toMatchObject({ code: 'index-shard-path' })
    },
  )

  it('a missing shard, a missing tensor, a tensor in two shards', async () => {
    await write('one.safetensors', tensor('a', [1]))
    await index({ a: 'one.safetensors', b: 'two.safetensors' })
    await expect(opening()).rejects.toMatchObject({
      code: 'index-missing-shard',
      message: expect.stringContaining('two'),
    })
    await write('two.safetensors', tensor('c', [1]))
    await expect(opening()).rejects.toMatchObject({
      code: 'index-missing-tensor',
      message: expect.stringContaining('"b"'),
    })
    await write('two.safetensors', tensor('a', [1]), tensor('b', [2]))
    await expect(opening()).rejects.toMatchObject({ code: 'shards-duplicate-tensor' })
    await write('two.safetensors', tensor('b', [2]), tensor('unlisted', [3]))
    await using checkpoint = await opening()
    expect([...checkpoint.names()].sort()).toEqual(['a', 'b', 'unlisted'])
    expect([...(await checkpoint.read('b'))]).toEqual([2])
    await expect(checkpoint.read('c')).rejects.toMatchObject({ code: 'no-such-tensor' })
  })

  it('an index that is malformed', async () => {
    for (const text of ['[]', '{}', '{"weight_map":{}}', '{"weight_map":[]}', '{"weight_map":{"a":1}}']) {
      await writeFile(file('model.safetensors.index.json'), text)
      await expect(opening()).rejects.toMatchObject({ code: 'index-malformed' })
    }
    await writeFile(file('model.safetensors.index.json'), '{"weight_map":{"a":"x","a":"y"}}')
    await expect(opening()).rejects.toMatchObject({ code: 'json-duplicate-key' })
  })

  it('prefers one whole file over an index, as a save that was interrupted leaves them', async () => {
    await write('model.safetensors', tensor('old', [1]))
    await index({ a: 'nowhere.safetensors' })
    await using checkpoint = await opening()
    expect(checkpoint.names()).toEqual(['old'])
  })

  it('a folder where a file should be', async () => {
    await mkdir(file('model.safetensors'))
    await expect(opening()).rejects.toMatchObject({ code: 'weights-missing' })
  })
})
