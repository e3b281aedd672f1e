import {
  concat,
  init,
  narrow,
  Rng,
  type Scalar,
  square,
  sum,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
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
  expect(cache.length).toBe(3)
  expect(() => cache.layer(1)).toThrow(/layer below 1, got 1/)
  cache[Symbol.dispose]()
  expect(() => cache.layer(0)).toThrow(/after it was disposed/)
})
