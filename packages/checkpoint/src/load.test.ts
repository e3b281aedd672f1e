import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Buffer,
  cpu,
  Dialect,
  Embedding,
  init,
  LayerNorm,
  Linear,
  liveMemory,
  Module,
  type Parameter,
  Rng,
  rename,
  stateOf,
  transposed,
  useBackend,
} from '@filature/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { load, openSafetensors, StrictLoadError, save, saveToBytes } from './index.ts'
import { encodeSafetensors, type TensorToWrite } from './safetensors/writer.ts'
import { bytesSource } from './sources/memory.ts'

class Block extends Module {
  readonly fc = new Linear(4, 6)
  readonly norm = new LayerNorm(6)
}

class Tiny extends Module {
  readonly embed = new Embedding(5, 4)
  readonly layers = [new Block(), new Block()]
  readonly lm_head: { readonly weight: Parameter } & Module
  readonly position_ids = new Buffer([1, 3], { dtype: 'int32', derive: () => Int32Array.of(0, 1, 2) })
  readonly inv_freq = new Buffer([2], { persistent: false, derive: () => Float32Array.of(1, 0.01) })

  constructor() {
    super()
    const head = new Linear(4, 5, { bias: false })
    Object.assign(head, { weight: this.embed.weight })
    this.lm_head = head
  }
}

const made = (seed: number) => init(new Tiny(), new Rng(seed))
const open = async (bytes: Uint8Array) => await openSafetensors(bytesSource(bytes, 'tiny.safetensors'))

async function valuesOf(model: Module): Promise<Record<string, number[]>> {
  const out: Record<string, number[]> = {}
  for (const [path, leaf] of stateOf(model)) out[path] = [...(await leaf.value.data())]
  return out
}

/** The saved tensors of a model, to be altered by a test. */
async function tensorsOf(model: Module): Promise<Map<string, TensorToWrite>> {
  const checkpoint = await open(await saveToBytes(model))
  const out = new Map<string, TensorToWrite>()
  for (const name of checkpoint.names()) {
    const values = await checkpoint.read(name)
    const { dtype, shape } = checkpoint.info(name) as TensorToWrite
    out.set(name, { name, dtype, shape, bytes: () => new Uint8Array(values.buffer) })
  }
  return out
}

const encoded = async (tensors: Map<string, TensorToWrite>) =>
  await open(await encodeSafetensors([...tensors.values()]))
const floats = (name: string, shape: number[], values: number[]): TensorToWrite => ({
  name,
  dtype: 'F32',
  shape,
  bytes: () => new Uint8Array(Float32Array.from(values).buffer),
})

describe('load', () => {
  it('gives back what was saved, byte for byte', async () => {
    const bytes = await saveToBytes(made(1))
    const copy = new Tiny()
    const result = await load(copy, await open(bytes))
    expect(await valuesOf(copy)).toEqual(await valuesOf(made(1)))
    expect(await saveToBytes(copy)).toEqual(bytes)
    expect(result.loaded).toContain('layers.1.norm.bias')
    expect(result.loaded).not.toContain('lm_head.weight') // stored once, under its first name
    expect(result.leftOut).toEqual([])
  })

  it('lists missing, unexpected and misshapen names together, and changes nothing', async () => {
    const tensors = await tensorsOf(made(1))
    tensors.delete('layers.0.fc.bias')
    tensors.delete('layers.1.norm.weight')
    tensors.set('layers.2.fc.bias', floats('layers.2.fc.bias', [1], [0]))
    tensors.set('layers.0.fc.weight', floats('layers.0.fc.weight', [4, 6], Array(24).fill(0)))
    const model = made(2)
    const before = await valuesOf(model)
    const error = await load(model, await encoded(tensors)).catch((e) => e)
    expect(error).toBeInstanceOf(StrictLoadError)
    expect(error.code).toBe('checkpoint-mismatch')
    expect(error.missing).toEqual(['layers.0.fc.bias', 'layers.1.norm.weight'])
    expect(error.unexpected).toEqual(['layers.2.fc.bias'])
    expect(error.misshapen).toEqual([{ name: 'layers.0.fc.weight', wanted: [6, 4], got: [4, 6] }])
    for (const name of ['layers.0.fc.bias', 'layers.2.fc.bias', '[4,6]', '[6,4]', 'tiny.safetensors']) {
      expect(error.message).toContain(name)
    }
    expect(await valuesOf(model)).toEqual(before)
  })

  it('changes nothing and leaks nothing when reading fails half-way', async () => {
    const bytes = await saveToBytes(made(1))
    const whole = await open(bytes)
    const failing = {
      ...whole,
      read: async (name: string) => {
        if (name === 'layers.1.fc.weight') throw new Error('the disk is gone')
        return await whole.read(name)
      },
    }
    const model = made(2)
    const before = await valuesOf(model)
    const { tensors } = liveMemory()
    await expect(load(model, failing)).rejects.toThrow('the disk is gone')
    expect(liveMemory().tensors).toBe(tensors)
    expect(await valuesOf(model)).toEqual(before)
  })

  it('leaves out by pattern and says what', async () => {
    const tensors = await tensorsOf(made(1))
    tensors.set('text.layer.weight', floats('text.layer.weight', [1], [0]))
    tensors.set('text.bias', floats('text.bias', [1], [0]))
    const result = await load(new Tiny(), await encoded(tensors), { leaveOut: 'text.**' })
    expect([...result.leftOut].sort()).toEqual(['text.bias', 'text.layer.weight'])
    await expect(load(new Tiny(), await encoded(tensors), { leaveOut: 'text.bias' })).rejects.toMatchObject({
      unexpected: ['text.layer.weight'],
    })
  })

  it('keeps named parameters that the checkpoint lacks', async () => {
    const tensors = await tensorsOf(made(1))
    tensors.delete('layers.0.fc.bias')
    const model = made(2)
    const before = await valuesOf(model)
    const result = await load(model, await encoded(tensors), { keep: ['layers.0.fc.*'] })
    expect(result.kept).toEqual(['layers.0.fc.bias'])
    const after = await valuesOf(model)
    expect(after['layers.0.fc.bias']).toEqual(before['layers.0.fc.bias'])
    expect(after['layers.0.fc.weight']).not.toEqual(before['layers.0.fc.weight'])
  })

  it('never counts stored non-parameters as unexpected', async () => {
    const tensors = await tensorsOf(made(1))
    const ids = (name: string): TensorToWrite => ({ name, dtype: 'I64', shape: [1], bytes: () => new Uint8Array(8) })
    tensors.set('bert.embeddings.position_ids', ids('bert.embeddings.position_ids'))
    tensors.set('h.0.attn.bias', floats('h.0.attn.bias', [1, 1, 2, 2], [1, 0, 1, 1]))
    tensors.set('h.0.attn.masked_bias', floats('h.0.attn.masked_bias', [], [-1e4]))
    tensors.set('h.0.rotary_emb.inv_freq', floats('h.0.rotary_emb.inv_freq', [2], [1, 0.5]))
    tensors.set('inv_freq', floats('inv_freq', [2], [1, 0.01]))
    const result = await load(new Tiny(), await encoded(tensors))
    expect(result.setAside).toHaveLength(4)
    expect(result.loaded).toContain('inv_freq')
  })

  it('refuses a derived buffer that the file contradicts', async () => {
    const tensors = await tensorsOf(made(1))
    tensors.set('inv_freq', floats('inv_freq', [2], [1, 0.02]))
    await expect(load(new Tiny(), await encoded(tensors))).rejects.toMatchObject({ code: 'buffer-differs' })
    await load(new Tiny(), await encoded(tensors), { leaveOut: 'inv_freq' })
  })

  it('takes a tied parameter under any of its names, and refuses names that differ', async () => {
    const tensors = await tensorsOf(made(1))
    const embed = tensors.get('embed.weight')!
    tensors.delete('embed.weight')
    tensors.set('lm_head.weight', { ...embed, name: 'lm_head.weight' })
    const model = new Tiny()
    await load(model, await encoded(tensors))
    expect(await valuesOf(model)).toEqual(await valuesOf(made(1)))
    tensors.set('embed.weight', embed)
    await load(model, await encoded(tensors))
    tensors.set('embed.weight', floats('embed.weight', [5, 4], Array(20).fill(1)))
    await expect(load(model, await encoded(tensors))).rejects.toMatchObject({ code: 'tied-differ' })
    const all = await open(await saveToBytes(model, { ties: 'all' }))
    expect(all.names()).toEqual(expect.arrayContaining(['embed.weight', 'lm_head.weight']))
  })

  it('says so when only the beginnings of the names differ', async () => {
    const tensors = await tensorsOf(made(1))
    const renamed = new Map([...tensors].map(([name, t]) => [`model.${name}`, { ...t, name: `model.${name}` }]))
    await expect(load(new Tiny(), await encoded(renamed))).rejects.toThrow("begin with 'model.'")
  })

  it('holds parameters as bfloat16 when asked, and writes them so', async () => {
    const full = await saveToBytes(made(1))
    const model = new Tiny()
    await load(model, await open(full), { dtype: (path) => (path.includes('norm') ? 'float32' : 'bf16') })
    const saved = await open(await saveToBytes(model))
    expect(saved.info('layers.0.fc.weight').dtype).toBe('BF16')
    expect(saved.info('layers.0.norm.weight').dtype).toBe('F32')
    expect(await saved.read('layers.0.fc.weight')).toEqual(
      await (await open(await saveToBytes(made(1), { dtype: 'BF16' }))).read('layers.0.fc.weight'),
    )
    await expect(load(model, await open(full), { dtype: 'int4' as 'bf16' })).rejects.toMatchObject({
      code: 'load-dtype',
    })
  })

  it('refuses integers in a parameter’s place', async () => {
    const tensors = await tensorsOf(made(1))
    const name = 'layers.0.norm.weight'
    tensors.set(name, { name, dtype: 'U8', shape: [6], bytes: () => new Uint8Array(6) })
    await expect(load(new Tiny(), await encoded(tensors))).rejects.toMatchObject({ code: 'integer-parameter' })
  })

  it('loads and saves in a dialect, one the reverse of the other', async () => {
    const dialect = new Dialect('h', [rename('h.{}', 'layers.{}'), rename('wte', 'embed'), transposed(/fc\.weight$/)])
    const bytes = await saveToBytes(made(1), { dialect })
    const names = (await open(bytes)).names()
    expect(names).toContain('h.0.fc.weight')
    expect((await open(bytes)).info('h.0.fc.weight').shape).toEqual([4, 6])
    const model = new Tiny()
    await load(model, await open(bytes), { dialect })
    expect(await valuesOf(model)).toEqual(await valuesOf(made(1)))
    expect(await saveToBytes(model, { dialect })).toEqual(bytes)
  })

  it('reports progress over every element', async () => {
    const seen: number[] = []
    let last = 0
    await load(new Tiny(), await open(await saveToBytes(made(1))), {
      onProgress: ({ done, total }) => {
        seen.push(done)
        last = total
      },
    })
    expect(seen.at(-1)).toBe(last)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  })

  it('refuses to save a model without values, before touching the target', async () => {
    await expect(saveToBytes(new Tiny())).rejects.toMatchObject({ code: 'parameter-empty' })
  })
})

describe('save', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filature-save-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('writes the bytes that saveToBytes gives', async () => {
    const { readFile } = await import('node:fs/promises')
    const path = join(folder, 'one', 'weights.safetensors')
    expect(await save(made(1), path)).toEqual([path])
    expect(new Uint8Array(await readFile(path))).toEqual(await saveToBytes(made(1)))
  })
})

it('refuses a model that the backend cannot hold, before a tensor is read; packed weights may fit', async () => {
  const bytes = await saveToBytes(init(new Linear(1000, 10, { bias: false }), new Rng(1)))
  await using checkpoint = await openSafetensors(bytesSource(bytes))
  const reads: string[] = []
  const watched = {
    ...checkpoint,
    read: (name: string) => {
      reads.push(name)
      return checkpoint.read(name)
    },
  }
  const provider = cpu()
  const memoryLimit = liveMemory().bytes + 30_000
  await useBackend({ ...provider, activate: async () => ({ ...(await provider.activate()), memoryLimit }) })
  try {
    const model = new Linear(1000, 10, { bias: false })
    await expect(load(model, watched)).rejects.toThrow(/load: Linear: wanted 1 MiB of tensors/)
    expect(reads).toEqual([])
    expect(model.weight.hasValue).toBe(false)
    await load(model, watched, { dtype: 'bf16' })
    expect(reads).toEqual(['weight'])
    model[Symbol.dispose]()
  } finally {
    await useBackend(provider)
  }
})
