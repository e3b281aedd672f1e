import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dict, pickle, storage, tensor, text, zip } from '../__fixtures__/writing-pickles.ts'
import { bytesSource } from '../sources/memory.ts'
import { openPyTorch } from './open.ts'
import { readView } from './read-view.ts'
import { Storage, StridedView } from './values.ts'

fc.configureGlobal({ seed: 1 })

/** Any strided window on a storage of 64 elements, zero strides and overlaps among them. */
const windows = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 13 })), { maxLength: 4 }),
    fc.integer({ min: 0, max: 20 }),
    fc.constantFrom(['FloatStorage', 4], ['HalfStorage', 2], ['LongStorage', 8], ['ByteStorage', 1]) as fc.Arbitrary<
      [string, number]
    >,
  )
  .filter(([axes, offset]) => axes.reduce((last, [d, s]) => last + Math.max(0, d - 1) * s, offset) < 64)

/** Elements of a window by definition: index times stride, summed. */
function definition(shape: number[], strides: number[], offset: number): number[] {
  const out: number[] = []
  const visit = (axis: number, at: number) => {
    if (axis === shape.length) out.push(at)
    else for (let i = 0; i < shape[axis]!; i++) visit(axis + 1, at + i * strides[axis]!)
  }
  visit(0, offset)
  return out
}

describe('reading strided tensors', () => {
  it('gives the elements of the definition, in row-major order', async () => {
    await fc.assert(
      fc.asyncProperty(windows, async ([axes, offset, [type, width]]) => {
        const shape = axes.map(([d]) => d)
        const strides = axes.map(([, s]) => s)
        const bytes = new Uint8Array(64 * width)
        for (let i = 0; i < 64; i++) bytes[i * width + width - 1] = i // a different pattern for each element
        const file = zip([
          {
            name: 'x/data.pkl',
            bytes: pickle(dict([[text('w'), tensor(storage('0', 64, type), offset, shape, strides)]])),
          },
          { name: 'x/data/0', bytes },
        ])
        const checkpoint = await openPyTorch(bytesSource(file))
        const all = dict([[text('w'), tensor(storage('0', 64, type), 0, [64], [1])]])
        const flat = await openPyTorch(
          bytesSource(
            zip([
              { name: 'x/data.pkl', bytes: pickle(all) },
              { name: 'x/data/0', bytes },
            ]),
          ),
        )
        const elements = await flat.read('w')
        const wanted = definition(shape, strides, offset).map((i) => elements[i])
        expect(checkpoint.info('w').shape).toEqual(shape)
        expect([...(await checkpoint.read('w'))]).toEqual(wanted)
      }),
      { numRuns: 300 },
    )
  })

  it('gathers a tensor that reaches far in pieces, without reading the whole reach at once', async () => {
    const size = 200 << 20 // bytes of a storage that is nowhere
    let most = 0
    const rows = 50_000
    const view = new StridedView(new Storage('0', 'F32', size / 4, 'cpu'), 'F32', 3, [2, rows], [500, 1000], 2 * rows)
    const source = {
      name: 'far',
      size,
      async read(offset: number, length: number) {
        most = Math.max(most, length)
        const numbers = new Float32Array(length / 4)
        for (let i = 0; i < numbers.length; i++) numbers[i] = (offset / 4 + i) % 16777216
        return new Uint8Array(numbers.buffer)
      },
      async close() {},
    }
    const values = await readView(view, source, 'far')
    expect(most).toBeLessThanOrEqual(64 << 20)
    for (const i of [0, 1, rows - 1, rows, 2 * rows - 1]) {
      const [r, c] = [Math.floor(i / rows), i % rows]
      expect(values[i]).toBe((3 + 500 * r + 1000 * c) % 16777216)
    }
  })
})
