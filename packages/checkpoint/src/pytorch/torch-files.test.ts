import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Checkpoint } from '../checkpoint.ts'
import { bytesSource } from '../sources/memory.ts'
import { openPyTorch } from './open.ts'

const folder = fileURLToPath(new URL('../__fixtures__/torch/', import.meta.url))
const open = (file: string, part?: string | string[]): Promise<Checkpoint> =>
  openPyTorch(bytesSource(readFileSync(folder + file), file), part === undefined ? {} : { part })
const expected: Record<string, Record<string, { shape: number[]; values: (number | boolean)[] }>> = JSON.parse(
  readFileSync(`${folder}expected.json`, 'utf8'),
)
const files = readdirSync(folder).filter((file) => file.endsWith('.pth'))

describe('files that torch wrote', () => {
  it.each(files.filter((file) => !file.startsWith('refused')))('%s', async (file) => {
    const checkpoint = await open(file)
    const wanted = expected[file.replace(/(_legacy)?\.pth$/, '')]!
    expect([...checkpoint.names()].sort()).toEqual(Object.keys(wanted).sort())
    for (const [name, { shape, values }] of Object.entries(wanted)) {
      expect(checkpoint.info(name).shape).toEqual(shape)
      expect(Array.from(await checkpoint.read(name), Number)).toEqual(values.map(Number))
    }
  })

  it.each(['training.pth', 'training_legacy.pth'])('%s: values that are no tensors', async (file) => {
    const { metadata } = await open(file)
    expect(metadata.get('epoch')).toBe(3)
    expect(metadata.get('name')).toBe('net')
    expect(metadata.get('raw')).toEqual(Uint8Array.of(0, 255, 98, 121, 116, 101, 115))
    expect(metadata.get('no_bytes')).toEqual(new Uint8Array(0))
    expect(metadata.get('big')).toBe(2n ** 70n)
    expect(metadata.get('negative')).toBe(-(2 ** 40))
    expect(metadata.get('size')).toEqual([2, 3, 4])
    expect(metadata.get('dtype')).toBe('torch.float16')
    expect(metadata.get('tags')).toEqual(['a'])
    expect(metadata.get('nested')).toEqual(
      new Map<unknown, unknown>([
        ['list', [1, [2.5, null]]],
        [[1, 2], true],
      ]),
    )
    const [group] = metadata.get('optimizer.param_groups') as Map<string, unknown>[]
    expect(group?.get('betas')).toEqual([0.9, 0.999])
  })

  it('opens a part by its key or chain of keys', async () => {
    const model = await open('training.pth', 'model')
    expect(model.names()).toContain('fc.weight')
    const state = await open('training.pth', ['optimizer', 'state', '0'])
    expect([...state.names()].sort()).toEqual(['exp_avg', 'exp_avg_sq', 'step'])
    await expect(open('training.pth', 'state_dict')).rejects.toMatchObject({
      code: 'pytorch-key',
      message: expect.stringContaining('"model", "optimizer"'),
    })
  })
})

describe('files that torch wrote and that are refused, each by name', () => {
  const named: Record<string, [code: string, name: string]> = {
    module: ['pickle-forbidden-global', '__main__.Net'],
    namespace: ['pickle-forbidden-global', 'argparse.Namespace'],
    sparse: ['pickle-forbidden-global', 'torch._utils._rebuild_sparse_tensor'],
    quantized: ['pickle-forbidden-global', 'torch._utils._rebuild_qtensor'],
    complex: ['pickle-forbidden-global', 'torch.ComplexFloatStorage'],
    device: ['pickle-forbidden-global', 'torch.device'],
    counter: ['pickle-forbidden-global', 'collections.Counter'],
    torchscript: ['pytorch-torchscript', 'TorchScript'],
  }

  it('covers every file', () => {
    const refused = files.filter((file) => file.startsWith('refused_')).map((file) => file.slice(8, -4))
    expect(refused.sort()).toEqual(Object.keys(named).sort())
  })

  it.each(Object.entries(named))('%s', async (name, [code, text]) => {
    await expect(open(`refused_${name}.pth`)).rejects.toMatchObject({ code, message: expect.stringContaining(text) })
  })
})
