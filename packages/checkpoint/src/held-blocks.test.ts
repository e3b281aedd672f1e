import {
  BlockStore,
  Dialect,
  dispose,
  Embedding,
  init,
  Linear,
  permutedRows,
  Rng,
  rename,
  type Scalar,
  sum,
  type Tensor2D,
  tensor,
  tidy,
  valueAndGradsOf,
} from '@filature/tensor'
import { activateBackend, forEachBackend } from '@filature/testing'
import { describe, expect, it } from 'vitest'
import { gguf } from './__fixtures__/writing-gguf.ts'
import { blockFormats } from './gguf/blocks.ts'
import { heldFormat } from './held-blocks.ts'
import { load } from './load.ts'
import { openCheckpoint } from './open-checkpoint.ts'
import { saveToBytes } from './save.ts'

/** Types that a kernel reads as they lie, where there is one, and one that is always decoded. */
const types = ['F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K', 'Q3_K']
const formats = [...blockFormats.values()].filter(({ dtype }) => types.includes(dtype)).map((f) => heldFormat(f)!)

/** Where blocks hold a float16 scale: its upper byte, so that it can be kept small and finite. */
const scales: Record<string, number[]> = {
  f16: [1],
  bf16: [1],
  Q8_0: [1],
  Q4_0: [1],
  Q4_K: [1, 3],
  Q5_K: [1, 3],
  Q6_K: [209],
  Q3_K: [109],
}

function randomBlocks({ name, elements, bytes }: (typeof formats)[number], rows: number, width: number, rng: Rng) {
  const data = Uint8Array.from(rng.uniform((rows * width * bytes) / elements), (u) => Math.floor(u * 256))
  for (let at = 0; at < data.length; at += bytes) {
    for (const scale of scales[name]!) data[at + scale] = (data[at + scale]! & 0x83) | (name === 'bf16' ? 0x3c : 0x20)
  }
  return data
}

it('knows every type that has a kernel', () => {
  expect(formats.map(({ name }) => name).sort()).toEqual(Object.keys(scales).sort())
})

await forEachBackend(() => {
  describe.each(formats.map((format) => [format.name, format] as const))('%s', (_, format) => {
    const width = format.elements === 1 ? 77 : 512
    const rows = 75

    it.each([1, 3, 4, 5, 40])('products of %i rows', async (M) => {
      const rng = new Rng(M)
      const data = randomBlocks(format, rows, width, rng)
      const weight = format.decode(data, rows * width)
      const x = Float32Array.from(rng.normal(M * width))
      const layer = new Linear(width, rows, { bias: false })
      layer.weight.setStore(new BlockStore([rows, width], format, data))
      const y = tidy(() => layer.forward(tensor(x, [M, width])))
      const got = await y.data()
      dispose(y)
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < rows; n++) {
          let wanted = 0
          let size = 0
          for (let k = 0; k < width; k++) {
            wanted += x[m * width + k]! * weight[n * width + k]!
            size += Math.abs(x[m * width + k]! * weight[n * width + k]!)
          }
          if (!(Math.abs(got[m * rows + n]! - wanted) <= 1e-6 * size)) {
            throw new Error(`row ${m}, column ${n}: wanted ${wanted}, got ${got[m * rows + n]}`)
          }
        }
      }
    })

    it('rows of a table, and the gradient through a frozen product', async () => {
      const data = randomBlocks(format, rows, width, new Rng(9))
      const weight = format.decode(data, rows * width)
      const table = new Embedding(rows, width)
      table.weight.setStore(new BlockStore([rows, width], format, data))
      const ids = [74, 0, 3, 3]
      const taken = tidy(() => table.forward(tensor(ids, [2, 2], 'int32')))
      expect(taken.shape).toEqual([2, 2, width])
      const got = await taken.data()
      dispose(taken)
      ids.forEach((id, i) => {
        for (let k = 0; k < width; k++) {
          const wanted = weight[id * width + k]!
          expect(Math.abs(got[i * width + k]! - wanted)).toBeLessThanOrEqual(1e-6 * Math.max(Math.abs(wanted), 1e-2))
        }
      })

      const layer = new Linear(width, rows, { bias: false })
      layer.weight.setStore(table.weight.store)
      const x = tensor(new Float32Array(2 * width), [2, width]) as Tensor2D
      const gradient = tidy(() => valueAndGradsOf(() => sum(layer.forward(x)) as Scalar, [x]).grads[0]!)
      const sums = await gradient.data()
      for (let k = 0; k < width; k++) {
        const column = Array.from({ length: rows }, (_, n) => weight[n * width + k]!)
        const wanted = column.reduce((a, w) => a + w, 0)
        const size = column.reduce((a, w) => a + Math.abs(w), 0)
        expect(Math.abs(sums[width + k]! - wanted)).toBeLessThanOrEqual(1e-6 * size)
      }
      dispose([x, gradient])
    })
  })
})

describe("load with dtype 'stored'", () => {
  const rows = 4
  const q8 = heldFormat(blockFormats.get(8)!)!
  const dialect = new Dialect('test', [
    rename('w', 'weight'),
    rename('b', 'bias'),
    permutedRows(/^weight$/, () => [2, 0, 3, 1]),
  ])
  const file = () =>
    openCheckpoint(
      gguf({
        tensors: [
          { name: 'w', dims: [64, rows], type: 8, data: randomBlocks(q8, rows, 64, new Rng(3)) },
          { name: 'b', dims: [rows], type: 0, data: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) },
        ],
      }),
    )

  it('holds matrices as the file has them, also with their rows in another order, and all else as float32', async () => {
    await activateBackend('cpu')
    const [held, plain] = [new Linear(64, rows), new Linear(64, rows)]
    await load(held, await file(), { dialect, dtype: 'stored' })
    await load(plain, await file(), { dialect })
    expect([held.weight.store.format, held.weight.store.bytes]).toEqual(['Q8_0', 2 * 34 * rows])
    expect(held.bias!.store.format).toBe('float32')
    expect(await held.weight.value.data()).toEqual(await plain.weight.value.data())
    const saved = await openCheckpoint(await saveToBytes(held))
    expect(saved.info('weight').dtype).toBe('F32')
    expect(await saved.read('weight')).toEqual(await plain.weight.value.data())
  })

  it('keeps 16-bit floats of safetensors, and writes them as such again', async () => {
    await activateBackend('cpu')
    const model = init(new Linear(6, 3), new Rng(1))
    for (const [dtype, format] of [
      ['F16', 'f16'],
      ['BF16', 'bf16'],
    ] as const) {
      const bytes = await saveToBytes(model, { dtype })
      const held = new Linear(6, 3)
      await load(held, await openCheckpoint(bytes), { dtype: 'stored' })
      expect([held.weight.store.format, held.bias!.store.format]).toEqual([format, 'float32'])
      const again = await openCheckpoint(await saveToBytes(held))
      expect(again.info('weight').dtype).toBe(dtype)
      expect(await again.read('weight')).toEqual(await (await openCheckpoint(bytes)).read('weight'))
    }
  })

  it('refuses rows that are no whole blocks, and bytes that are too few', () => {
    expect(() => new BlockStore([2, 33], q8, new Uint8Array(68))).toThrow(
      /rows of whole blocks of 32 \(Q8_0\), got \[2,33\]/,
    )
    expect(() => new BlockStore([2, 32], q8, new Uint8Array(67))).toThrow(
      /wanted 68 bytes for \[2,32\] in Q8_0, got 67/,
    )
  })
})
