import { Rng } from '@filature/tensor'
import { describe, expect, it } from 'vitest'
import { type BatchSource, mapBatches, padSequences, ShuffledBatches, TokenCrops, TokenStreams } from '../index.ts'

const tokens = Int32Array.from({ length: 1000 }, (_, i) => i)

/** The same batches again from every position. */
async function expectSeekable<B>(make: () => BatchSource<B>, count: number): Promise<void> {
  const source = make()
  const seen: { position: BatchSource<B>['position']; batch: B }[] = []
  for (let i = 0; i < count; i++) seen.push({ position: { ...source.position }, batch: await source.next() })
  for (const { position, batch } of seen) {
    const other = make()
    other.seek(JSON.parse(JSON.stringify(position)))
    expect(await other.next()).toEqual(batch)
  }
}

describe('ShuffledBatches', () => {
  const make = (dropLast = false) => new ShuffledBatches({ count: 10, batchSize: 4, rng: new Rng(3), dropLast })

  it('gives every example once an epoch, in another order each epoch', () => {
    const source = make()
    const epochs = [0, 1].map(() => Array.from({ length: 3 }, () => [...source.next()]).flat())
    for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(epochs[0]).not.toEqual(epochs[1])
  })

  it('refuses sizes that are no whole numbers', () => {
    for (const count of [Number.NaN, 2.5]) {
      expect(() => new ShuffledBatches({ count, batchSize: 2 })).toThrow(
        expect.objectContaining({ code: 'batch-count' }),
      )
    }
    const crops = (batchSize: number, length: number) =>
      new TokenCrops([1, 2, 3, 4, 5], { batchSize, length, rng: new Rng(1) })
    expect(() => crops(1.5, 2)).toThrow(expect.objectContaining({ code: 'crop-size' }))
    expect(() => crops(1, 2.5)).toThrow(expect.objectContaining({ code: 'crop-size' }))
    const side = 'Left' as 'left'
    expect(() => padSequences([[1], [1, 2]], { value: 0, side })).toThrow(expect.objectContaining({ code: 'padding' }))
  })

  it('can leave the last, smaller batch out, and keeps order without an rng', () => {
    const source = make(true)
    expect(Array.from({ length: 5 }, () => source.next().length)).toEqual([4, 4, 4, 4, 4])
    expect([...new ShuffledBatches({ count: 3, batchSize: 2 }).next()]).toEqual([0, 1])
  })

  it('seeks, and refuses positions that are not its own', async () => {
    await expectSeekable(make, 8)
    expect(() => make().seek({ epoch: 0, batch: 3 })).toThrow(/wanted a position with batch from 0 to 2/)
    expect(() => make().seek({ epoch: 0.5, batch: 0 })).toThrow(/epoch/)
    expect(() => new ShuffledBatches({ count: 3, batchSize: 4, dropLast: true })).toThrow(/make no batch/)
  })
})

describe('TokenStreams', () => {
  const make = () => new TokenStreams(tokens, { batchSize: 2, length: 100 })

  it('goes on in every row where the step before stopped, and says where it begins anew', () => {
    const source = make()
    const batches = Array.from({ length: 9 }, () => source.next())
    expect(batches.map(({ fresh }) => fresh)).toEqual([true, false, false, false, true, false, false, false, true])
    expect(source.batchesPerEpoch).toBe(4)
    const [first, second] = batches
    expect(first!.inputs.values[100]).toBe(500)
    expect(second!.inputs.values[0]).toBe(100)
    for (const { inputs, targets } of batches) {
      expect(inputs.shape).toEqual([2, 100])
      inputs.values.forEach((id, i) => void expect(targets.values[i]).toBe(id + 1))
    }
  })

  it('wraps as the classic character RNN does: where position + T + 1 >= length', () => {
    for (const [length, perEpoch] of [
      [51, 1],
      [52, 2],
      [76, 2],
      [77, 3],
    ] as const) {
      const source = new TokenStreams(tokens.subarray(0, length), { batchSize: 1, length: 25 })
      expect(source.batchesPerEpoch).toBe(perEpoch)
      const fresh = Array.from({ length: 2 * perEpoch + 1 }, () => source.next().fresh)
      expect(fresh).toEqual(Array.from({ length: 2 * perEpoch + 1 }, (_, i) => i % perEpoch === 0))
    }
  })

  it('seeks; refuses too little text', async () => {
    await expectSeekable(make, 9)
    expect(() => new TokenStreams(tokens.subarray(0, 20), { batchSize: 2, length: 10 })).toThrow(/wanted more than 22/)
  })
})

it('TokenCrops draws each batch anew, from the whole text, and seeks', async () => {
  const make = () => new TokenCrops(tokens.subarray(0, 12), { batchSize: 8, length: 10, rng: new Rng(1) })
  await expectSeekable(make, 4)
  const source = make()
  const starts = new Set(
    Array.from({ length: 20 }, () => source.next()).flatMap(({ inputs }) => [0, 10].map((i) => inputs.values[i]!)),
  )
  expect([...starts].sort()).toEqual([0, 1])
})

it('maps batches, position and all', async () => {
  const make = () =>
    mapBatches(new ShuffledBatches({ count: 6, batchSize: 2, rng: new Rng(5) }), async (rows) =>
      [...rows].map((n) => n * n),
    )
  await expectSeekable(make, 5)
})

describe('padSequences', () => {
  const rows = [[1, 2, 3], [4], []]

  it('pads on either side to a common width', () => {
    const right = padSequences(rows, { value: 9 })
    expect([...right.ids.values]).toEqual([1, 2, 3, 4, 9, 9, 9, 9, 9])
    expect([...right.mask.values]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 0])
    expect([...right.lengths]).toEqual([3, 1, 0])
    const left = padSequences(rows, { value: 9, side: 'left', multipleOf: 4 })
    expect(left.ids.shape).toEqual([3, 4])
    expect([...left.ids.values]).toEqual([9, 1, 2, 3, 9, 9, 9, 4, 9, 9, 9, 9])
  })

  it('cuts on the side of the padding', () => {
    expect([...padSequences(rows, { value: 0, maxLength: 2 }).ids.values]).toEqual([1, 2, 4, 0, 0, 0])
    expect([...padSequences(rows, { value: 0, maxLength: 2, side: 'left' }).ids.values]).toEqual([2, 3, 0, 4, 0, 0])
    expect(() => padSequences([], { value: 0 })).toThrow(/at least one/)
  })
})
