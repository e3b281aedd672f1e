import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Matrix, metaPart, pth } from './__fixtures__/writing-parts.ts'
import { openCheckpoint, openPretrained } from './index.ts'

/** One layer: width 8, 4 heads in 4 groups, 12 cells, 16 tokens. */
const sizes: Record<string, number[]> = {
  'tok_embeddings.weight': [16, 8],
  'layers.0.attention.wq.weight': [8, 8],
  'layers.0.attention.wk.weight': [4, 8],
  'layers.0.attention.wv.weight': [4, 8],
  'layers.0.attention.wo.weight': [8, 8],
  'layers.0.feed_forward.w1.weight': [12, 8],
  'layers.0.feed_forward.w2.weight': [8, 12],
  'layers.0.feed_forward.w3.weight': [12, 8],
  'layers.0.attention_norm.weight': [8],
  'layers.0.ffn_norm.weight': [8],
  'norm.weight': [8],
  'rope.freqs': [1],
  'output.weight': [16, 8],
}
const model = new Map<string, Matrix>(
  Object.entries(sizes).map(([name, shape], t) => {
    const count = shape.reduce((a, d) => a * d, 1)
    return [name, { shape, values: Float32Array.from({ length: count }, (_, i) => 1000 * t + i) }]
  }),
)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-'))
})
afterEach(() => rm(folder, { recursive: true }))

const write = (n: number, tensors: ReadonlyMap<string, Matrix>) =>
  writeFile(join(folder, `consolidated.0${n}.pth`), pth(tensors))
async function writeParts(count: number, embedding: 'rows' | 'columns' = 'columns') {
  for (let n = 0; n < count; n++) await write(n, metaPart(model, n, count, embedding))
}

describe('a model in parts, as Meta publishes them', () => {
  it.each([
    [1, 'columns'],
    [2, 'columns'],
    [4, 'columns'],
    [2, 'rows'],
    [4, 'rows'],
  ] as const)('%i, the embedding cut by %s', async (count, embedding) => {
    await writeParts(count, embedding)
    await using checkpoint = await openCheckpoint(folder)
    expect([...checkpoint.names()].sort()).toEqual([...model.keys()].sort())
    for (const [name, { shape, values }] of model) {
      expect(checkpoint.info(name)).toEqual({ dtype: 'F32', shape })
      expect([...(await checkpoint.read(name))]).toEqual([...values])
    }
    await expect(checkpoint.read('layers.1')).rejects.toMatchObject({ code: 'no-such-tensor' })
  })

  it('opens with its params.json, and one part by its name', async () => {
    await writeParts(2)
    await writeFile(join(folder, 'params.json'), '{"dim":8,"vocab_size":-1}')
    await using pretrained = await openPretrained(folder)
    expect(pretrained.config).toEqual({ dim: 8, vocab_size: -1 })
    expect(pretrained.checkpoint.info('output.weight').shape).toEqual([16, 8])
    await using part = await openCheckpoint(join(folder, 'consolidated.01.pth'))
    expect(part.info('output.weight').shape).toEqual([8, 8])
    await writeFile(join(folder, 'params.json'), '[]')
    await expect(openPretrained(folder)).rejects.toMatchObject({ code: 'config-malformed' })
  })
})

describe('parts that do not fit are refused, each with its own error', () => {
  const refused = async (code: string, told: string) => {
    const opening = openCheckpoint(folder)
    await expect(opening).rejects.toMatchObject({ name: 'CheckpointError', code })
    await expect(opening).rejects.toThrow(told)
  }

  it('a part that is missing at the end, in the middle, all but the first', async () => {
    await writeParts(4)
    await rm(join(folder, 'consolidated.03.pth'))
    await refused('parts-count', 'a slice of 4 parts, but there are 3 files')
    await rm(join(folder, 'consolidated.01.pth'))
    await refused('parts-count', 'a slice of 4 parts, but there are 1 files')
  })

  it('a part too many', async () => {
    await writeParts(2)
    await write(2, metaPart(model, 0, 2))
    await refused('parts-count', 'a slice of 2 parts, but there are 3 files')
  })

  it('parts of another cut, or of another model', async () => {
    await writeParts(4)
    await write(1, metaPart(model, 1, 2))
    await refused('parts-shape', 'in the first part')
    const other = metaPart(model, 1, 4)
    other.delete('norm.weight')
    await write(1, other)
    await refused('parts-names', '"norm.weight"')
    await write(1, metaPart(new Map([...model, ['extra.weight', { shape: [8], values: new Float32Array(8) }]]), 1, 4))
    await refused('parts-names', '"extra.weight"')
  })

  it('tensors whose cut is not known, or that do not have the width of the model', async () => {
    for (const [name, shape, code] of [
      ['lora.weight', [4, 8], 'parts-unknown'],
      ['layers.0.attention.wq.weight', [4, 2, 4], 'parts-unknown'],
      ['layers.0.feed_forward.w1.weight', [6, 9], 'parts-shape'],
      ['layers.0.feed_forward.w2.weight', [9, 6], 'parts-shape'],
      ['tok_embeddings.weight', [16, 3], 'parts-shape'],
    ] as const) {
      const values = new Float32Array(shape.reduce((a, d) => a * d, 1))
      for (const n of [0, 1]) await write(n, new Map([...metaPart(model, n, 2), [name, { shape, values }]]))
      await refused(code, name)
    }
    for (const n of [0, 1]) await write(n, new Map([['weight', { shape: [1], values: new Float32Array(1) }]]))
    await refused('parts-names', "not Meta's LLaMA")
  })

  it('a part that is broken', async () => {
    await writeParts(2)
    await writeFile(join(folder, 'consolidated.01.pth'), pth(metaPart(model, 1, 2)).slice(0, -30))
    await refused('zip-malformed', 'consolidated.01.pth')
  })
})
