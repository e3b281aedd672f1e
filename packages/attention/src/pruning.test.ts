import { init, Linear, Rng, type Tensor3D, tensor } from '@filature/tensor'
import { expectClose, randomTensor } from '@filature/testing'
import { expect, it } from 'vitest'
import { keptHeads, prunedLinear } from './pruning.ts'
import { joinHeads, scaledDotProduct, splitHeads } from './scaled-dot-product.ts'

it('counts heads as before any pruning', () => {
  const first = keptHeads({ heads: 4, headWidth: 2 }, [1])
  expect(first).toEqual({ rows: Int32Array.of(0, 1, 4, 5, 6, 7), heads: [0, 2, 3], pruned: [1] })
  // head 2 now stands in the second place
  const second = keptHeads({ heads: 4, headWidth: 2, pruned: first.pruned }, [1, 2])
  expect(second).toEqual({ rows: Int32Array.of(0, 1, 4, 5), heads: [0, 3], pruned: [1, 2] })
  expect(keptHeads({ heads: 4, headWidth: 2 }, [2, 1])).toMatchObject({ heads: [0, 3], pruned: [1, 2] })
})

it('refuses unknown heads and an empty layer', () => {
  expect(() => keptHeads({ heads: 4, headWidth: 2 }, [4])).toThrow(/heads from 0 to 3, got 4/)
  expect(() => keptHeads({ heads: 2, headWidth: 2 }, [0, 1])).toThrow(/at least one head/)
})

it('gives what masking the same heads with zero gives', async () => {
  const [C, H, D] = [12, 4, 3]
  const layers = () => [0, 1, 2, 3].map((i) => init(new Linear(C, C), new Rng(i)))
  const attend = ([q, k, v, o]: Linear[], heads: number, headMask?: number[]) => {
    const x = randomTensor('x', [2, 5, C]) as Tensor3D
    const mixed = scaledDotProduct(
      splitHeads(q!.forward(x), heads),
      splitHeads(k!.forward(x), heads),
      splitHeads(v!.forward(x), heads),
      { headMask: headMask && tensor(headMask) },
    )
    return o!.forward(joinHeads(mixed))
  }
  const masked = attend(layers(), H, [1, 0, 0, 1])
  const { rows, heads } = keptHeads({ heads: H, headWidth: D }, [1, 2])
  const pruned = layers().map((layer, i) => prunedLinear(layer, rows, i < 3 ? 0 : 1))
  expect(pruned[0]!.weight.shape).toEqual([6, 12])
  expect(pruned[3]!.weight.shape).toEqual([12, 6])
  await expectClose(attend(pruned, heads.length), masked)
})
