import {
  capture,
  clone,
  concat,
  gather,
  init,
  mul,
  narrow,
  Rng,
  type Scalar,
  square,
  sum,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  tile,
  valueAndGrads,
  valueAndGradsOf,
} from '@filature/tensor'
import { expectClose, expectNoLeak, forEachBackend, randomTensor } from '@filature/testing'
import { expect, it } from 'vitest'
import { KeyValueCache } from './cache.ts'
import { MultiheadAttention } from './multihead.ts'

const T = 6
const input = () => randomTensor('x', [2, T, 8]) as Tensor3D

/** The sequence in pieces of the given lengths, through a cache. */
function inPieces(attention: MultiheadAttention, x: Tensor3D, pieces: number[], cache: KeyValueCache): Tensor3D {
  let at = 0
  const outs = pieces.map((length) => {
    const piece = narrow(x, 1, at, at + length)
    at += length
    return attention.forward(piece, piece, piece, { causal: true, cache: cache.layer(0) })
  })
  return concat(outs, 1)
}

await forEachBackend(() => {
  it('decoding in pieces equals decoding at once', async () => {
    const attention = init(new MultiheadAttention(8, 2), new Rng(1))
    const full = attention.forward(input(), input(), input(), { causal: true })
    for (const pieces of [[1, 1, 1, 1, 1, 1], [3, 1, 2], [6]]) {
      using cache = new KeyValueCache({ layers: 1, batch: 2, capacity: T })
      await expectClose(inPieces(attention, input(), pieces, cache), full)
      expect(cache.length).toBe(T)
    }
    attention[Symbol.dispose]()
  })

  it('lets gradients flow through what it holds', async () => {
    const attention = init(new MultiheadAttention(8, 2), new Rng(1))
    const x = input()
    const loss = (out: Tensor3D) => sum<Scalar>(square(out))
    const full = valueAndGrads(attention, () => loss(attention.forward(x, x, x, { causal: true })), { x })
    using cache = new KeyValueCache({ layers: 1, batch: 2, capacity: T })
    const pieces = valueAndGrads(attention, () => loss(inPieces(attention, x, [2, 1, 3], cache)), { x })
    await expectClose(pieces.inputGrads.get('x')!, full.inputGrads.get('x')!)
    for (const [path, gradient] of full.grads) await expectClose(pieces.grads.get(path)!, gradient, {}, path)
    attention[Symbol.dispose]()
  })

  it('a single sequence grows beyond its first room; what was handed out before stays as it was', async () => {
    using cache = new KeyValueCache({ layers: 1, batch: 1, capacity: 200 })
    const all = randomTensor('all', [1, 200, 2, 3]) as Tensor4D
    const seen: Tensor4D[] = []
    let at = 0
    const add = (count: number) => {
      const piece = narrow(all, 1, at, at + count)
      const { k, v } = cache.layer(0).append(piece, piece)
      seen.push(k)
      v.dispose()
      at += count
    }
    for (const count of [3, 1, 60, 1, 100, 1]) add(count)
    for (const k of seen) await expectClose(k, narrow(all, 1, 0, k.shape[1]))
    // rows forgotten and written anew do not show in what was handed out
    const full = seen.at(-1)!
    cache.truncate(10)
    const other = randomTensor('other', [1, 5, 2, 3]) as Tensor4D
    const { k } = cache.layer(0).append(other, other)
    await expectClose(full, narrow(all, 1, 0, 166))
    await expectClose(k, concat([narrow(all, 1, 0, 10), other], 1))
    // and a gradient may begin in the middle
    const { grads } = valueAndGradsOf(() => sum<Scalar>(square(cache.layer(0).append(other, other).k)), [other])
    await expectClose(grads[0]!, other.mul(2))
    expect(cache.length).toBe(20)
  })

  it('a batch grows beyond its first room, its rows change places behind what they share', async () => {
    const [B, G, D] = [3, 2, 4]
    using cache = new KeyValueCache({ layers: 1, batch: B, capacity: 200 })
    let held: Tensor4D | undefined
    let added = 0
    const append = async (T: number, shared = false) => {
      const rows = randomTensor(`piece ${added++}`, [shared ? 1 : B, T, G, D]) as Tensor4D
      const x = shared ? (tile(rows, [B, 1, 1, 1]) as Tensor4D) : rows
      held = held ? concat([held, x], 1) : x
      const { k, v } = cache.layer(0).append(x, mul(x, 2))
      await expectClose(k, held, { atol: 0 })
      await expectClose(v, mul(held, 2), { atol: 0 })
      return k
    }
    const reorder = (order: number[], hinted = true) => {
      const rows = tensor(order, [order.length], 'int32')
      const moved = gather<Tensor4D>(held!, rows, 0)
      const S = held!.shape[1]
      const [old, next] = [held!.dataSync(), moved.dataSync()]
      const from = Array.from(old).reduce((least, value, i) => {
        return value === next[i] ? least : Math.min(least, Math.floor(i / (G * D)) % S)
      }, S)
      held = moved
      cache.reorder(rows, hinted ? from : undefined)
      return from
    }
    const seen = await append(3, true)
    await append(1, true)
    expect(reorder([2, 0, 0])).toBe(4) // all alike so far
    await append(1)
    expect(reorder([2, 0, 0])).toBe(4)
    await append(70) // more than the first room
    expect(reorder([0, 2, 1])).toBe(5) // the last two shared one position more
    await append(1)
    expect(reorder([0, 1, 2])).toBe(76)
    await append(1)
    reorder([2, 2, 1], false)
    await append(1)
    expect(reorder([1, 0, 2])).toBe(77)
    await append(1)
    expect(reorder([1, 0, 1])).toBe(5)
    await append(2)
    cache.truncate(40)
    held = narrow(held!, 1, 0, 40)
    await append(1)
    expect(cache.length).toBe(41)
    await expectClose(seen, tile(randomTensor('piece 0', [1, 3, G, D]), [B, 1, 1, 1]), { atol: 0 })
    const two = randomTensor('two', [2, 1, G, D]) as Tensor4D
    expect(() => cache.layer(0).append(two, two)).toThrow(/of the 3 rows that it holds/)
  })

  it('attends to a batch as one sequence: the same under masks and head masks, and when it is looked at', async () => {
    const attention = init(new MultiheadAttention(12, 3), new Rng(1))
    const [B, T] = [3, 9]
    const x = randomTensor('batch', [B, T, 12]) as Tensor3D
    const headMask = randomTensor('heads', [B, 3])
    const padding = tensor(
      Array.from({ length: B * T }, (_, i) => (i % T < Math.floor(i / T) ? 1 : 0)),
      [B, T],
      'bool',
    )
    const full = attention.forward(x, x, x, { causal: true, headMask, keyPaddingMask: padding })
    using cache = new KeyValueCache({ layers: 1, batch: B, capacity: T })
    let at = 0
    const parts = [4, 1, 2, 1, 1].map((length, step) => {
      const piece = narrow(x, 1, at, at + length)
      at += length
      const keyPaddingMask = narrow(padding, 1, 0, at)
      const run = () =>
        attention.forward(piece, piece, piece, { causal: true, headMask, keyPaddingMask, cache: cache.layer(0) })
      if (step !== 3) return run()
      using looked = capture(attention, ['k', 'pattern'], run)
      expect(looked.activations.get('k')!.shape).toEqual([B, at, 3, 4])
      expect(looked.activations.get('pattern')!.shape).toEqual([B, 3, 1, at])
      return clone(looked.output)
    })
    await expectClose(concat(parts, 1), full)
    attention[Symbol.dispose]()
  })

  it('keeps the chosen rows, forgets from a length on', async () => {
    using cache = new KeyValueCache({ layers: 1, batch: 2, capacity: 8 })
    const k = randomTensor('k', [2, 3, 2, 4]) as Tensor4D
    const more = randomTensor('more', [3, 1, 2, 4]) as Tensor4D
    cache.layer(0).append(k, k)
    cache.layer(0).fixed(() => ({ k, v: k }))
    cache.truncate(2)
    expect(cache.length).toBe(2)
    cache.reorder(tensor([1, 1, 0], [3], 'int32'))
    const { k: held } = cache.layer(0).append(more, more)
    const rows = [1, 1, 0].map((b) => k.slice([b, 0, 0, 0], [1, 2, 2, 4]))
    await expectClose(held, concat([concat(rows, 0), more], 1))
    const fixed = cache.layer(0).fixed(() => {
      throw new Error('made twice')
    })
    await expectClose(
      fixed.k,
      concat(
        [1, 1, 0].map((b) => k.slice([b, 0, 0, 0], [1, 3, 2, 4])),
        0,
      ),
    )
  })

  it('leaves nothing behind', async () => {
    const attention = init(new MultiheadAttention(8, 2), new Rng(1))
    const x = input()
    const rows = tensor([1, 0], [2], 'int32')
    await expectNoLeak(() => {
      using cache = new KeyValueCache({ layers: 1, batch: 2, capacity: T })
      tidy(() => inPieces(attention, x, [2, 1, 1, 2], cache)).dispose()
      cache.reorder(rows)
    })
    rows.dispose()
    await expectNoLeak(() => {
      using cache = new KeyValueCache({ layers: 1, batch: 1, capacity: 200 })
      tidy(() => {
        const one = narrow(x, 0, 0, 1)
        for (let i = 0; i < 30; i++) attention.forward(one, one, one, { causal: true, cache: cache.layer(0) })
        cache.truncate(5)
        attention.forward(one, one, one, { causal: true, cache: cache.layer(0) })
      })
    })
    attention[Symbol.dispose]()
  })
}, ['cpu', 'wasm', 'native'])

it('refuses what it has no room for, and use after its end', () => {
  const cache = new KeyValueCache({ layers: 1, batch: 2, capacity: 4 })
  const k = randomTensor('k', [2, 3, 2, 4]) as Tensor4D
  cache.layer(0).append(k, k)
  expect(() => cache.layer(0).append(k, k)).toThrow(/room for 6 positions, got a capacity of 4/)
  expect(() => cache.layer(0).append(narrow(k, 1, 0, 1), k)).toThrow(/as many rows and positions/)
  for (const length of [-1, 1.5, Number.NaN]) {
    expect(() => cache.truncate(length)).toThrow(expect.objectContaining({ code: 'cache-length' }))
  }
  expect(() => new KeyValueCache({ layers: 1, batch: 2, capacity: Number.NaN })).toThrow(/wanted capacity/)
  expect(cache.length).toBe(3)
  expect(() => cache.layer(1)).toThrow(/layer below 1, got 1/)
  cache[Symbol.dispose]()
  expect(() => cache.layer(0)).toThrow(/after it was disposed/)
})
