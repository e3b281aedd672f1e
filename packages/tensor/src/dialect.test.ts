import { expect, it } from 'vitest'
import {
  Dialect,
  type FileTensor,
  ignored,
  joined,
  permutedRows,
  prefix,
  rename,
  type TensorTable,
  transposed,
} from './index.ts'

const entry = (shape: number[], data: number[]): FileTensor => ({
  dtype: 'F32',
  shape,
  read: async () => Float32Array.from(data),
})

const dialect = new Dialect('test', [
  ignored(/masked_bias$/),
  rename('h.{}.attn', 'layers.{}.self_attn'),
  joined('in_proj_weight', ['q_proj.weight', 'k_proj.weight']),
  transposed(/c_fc\.weight$/),
  permutedRows(/rotate\.weight$/, (rows) =>
    Array.from({ length: rows }, (_, i) => (i % 2) * (rows / 2) + Math.floor(i / 2)),
  ),
  prefix('model.'),
])

const theirs = (): TensorTable =>
  new Map([
    ['h.0.attn.in_proj_weight', entry([4, 1], [1, 2, 3, 4])],
    ['h.0.attn.masked_bias', entry([1], [0])],
    ['c_fc.weight', entry([2, 3], [1, 2, 3, 4, 5, 6])],
    ['rotate.weight', entry([4, 1], [0, 1, 2, 3])],
  ])

const read = async (table: TensorTable) =>
  Object.fromEntries(
    await Promise.all(
      [...table].map(async ([name, t]) => [
        name,
        { shape: t.shape, data: Array.from((await t.read()) as Float32Array) },
      ]),
    ),
  )

it('reads another layout in the model names and shapes', async () => {
  expect(await read(dialect.toOurs(theirs()))).toEqual({
    'model.layers.0.self_attn.q_proj.weight': { shape: [2, 1], data: [1, 2] },
    'model.layers.0.self_attn.k_proj.weight': { shape: [2, 1], data: [3, 4] },
    'model.c_fc.weight': { shape: [3, 2], data: [1, 4, 2, 5, 3, 6] },
    'model.rotate.weight': { shape: [4, 1], data: [0, 2, 1, 3] },
  })
})

it('saves by running backwards', async () => {
  const back = await read(dialect.toTheirs(dialect.toOurs(theirs())))
  const { 'h.0.attn.masked_bias': _, ...rest } = await read(theirs())
  expect(back).toEqual(rest)
})

it('names a part that is missing', () => {
  expect(() => dialect.toTheirs(new Map([['model.layers.0.self_attn.q_proj.weight', entry([1, 1], [1])]]))).toThrow(
    /needs layers.0.self_attn.k_proj.weight/,
  )
})
