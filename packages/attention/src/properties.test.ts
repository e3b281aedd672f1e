import {
  attend,
  attentionPattern,
  capture,
  gather,
  init,
  mul,
  Rng,
  type Scalar,
  square,
  stateOf,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  training,
  valueAndGrads,
  valueAndGradsOf,
} from '@filature/tensor'
import { expectClose, expectNoLeak, forEachBackend, randomTensor } from '@filature/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { blockSparseAttention, localBlocks, randomBlocks, stridedBlocks, unionOfBlocks } from './block-sparse.ts'
import { LongformerSelfAttention } from './longformer.ts'
import { causalBias, maskBias, paddingBias } from './masks.ts'
import { MultiheadAttention } from './multihead.ts'
import { scaledDotProduct } from './scaled-dot-product.ts'
import { slidingWindowAttention, slidingWindowKeep } from './sliding-window.ts'

const heads = (name: string, B: number, T: number, H = 2, D = 4) => randomTensor(name, [B, T, H, D]) as Tensor4D
const keepOf = (bits: boolean[][]) =>
  tensor(
    bits.map((row) => row.map(Number)),
    [bits.length, bits[0]!.length],
    'int32',
  ) as Tensor2D

await forEachBackend(() => {
  it('a window as wide as the sequence equals full attention', async () => {
    for (const T of [1, 5, 33, 70]) {
      const [q, k, v] = ['q', 'k', 'v'].map((name) => heads(name, 2, T)) as [Tensor4D, Tensor4D, Tensor4D]
      await expectClose(slidingWindowAttention(q, k, v, { window: T - 1 }), scaledDotProduct(q, k, v))
      const causal = slidingWindowAttention(q, k, v, { window: T - 1, causal: true })
      await expectClose(causal, scaledDotProduct(q, k, v, { causal: true }))
    }
  })

  it('the chunked window equals its definition, whatever window, dilation, globals, padding', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          T: fc.integer({ min: 1, max: 60 }),
          window: fc.integer({ min: 0, max: 20 }),
          dilation: fc.integer({ min: 1, max: 4 }),
          causal: fc.boolean(),
          cut: fc.integer({ min: 0, max: 30 }),
          globals: fc.array(fc.array(fc.nat(59), { maxLength: 3 }), { minLength: 2, maxLength: 2 }),
        }),
        async ({ T, window, dilation, causal, cut, globals }) => {
          const [q, k, v] = ['q', 'k', 'v'].map((name) => heads(name, 2, T)) as [Tensor4D, Tensor4D, Tensor4D]
          const keep = keepOf([0, 1].map((b) => Array.from({ length: T }, (_, t) => b === 0 || t < T - (cut % T))))
          const global = { positions: globals.map((list) => list.map((p) => p % T)) }
          const options = { window, dilation, causal, keep, global }
          const bias = maskBias(slidingWindowKeep(2, T, options))
          const cotangent = heads('cotangent', 2, T)
          const grads = (fn: () => Tensor) =>
            valueAndGradsOf(() => sum<Scalar>(mul(fn(), cotangent)), [q, k, v]).grads as Tensor[]
          const chunked = () => slidingWindowAttention(q, k, v, options)
          const wanted = () => attend(attentionPattern(q, k, { bias }), v)
          await expectClose(chunked(), wanted())
          const [ours, theirs] = [grads(chunked), grads(wanted)]
          for (let i = 0; i < 3; i++) await expectClose(ours[i]!, theirs[i]!, { atol: 1e-5 })
        },
      ),
      { numRuns: 25, seed: 4 },
    )
  })

  it('Longformer gives the same, whether its pattern is looked at or not', async () => {
    const config = { hidden_size: 8, num_attention_heads: 2, attention_window: 4 }
    const model = init(new LongformerSelfAttention(config), new Rng(1))
    const x = randomTensor('x', [2, 40, 8]) as Tensor3D
    const keep = keepOf([0, 1].map((b) => Array.from({ length: 40 }, (_, t) => b === 0 || t < 30)))
    for (const global of [undefined, [[0, 7], [3]], [[], []]]) {
      const plain = model.forward(x, { keep, global })
      using seen = capture(model, 'pattern', () => model.forward(x, { keep, global }))
      expect(seen.activations.get('pattern')!.shape).toEqual([2, 2, 40, 40])
      await expectClose(plain, seen.output)
    }
    model[Symbol.dispose]()
  })

  it('blocks that see all equal full attention, and any pattern equals its mask', async () => {
    const [T, size] = [37, 8]
    const count = Math.ceil(T / size)
    const [q, k, v] = ['q', 'k', 'v'].map((name) => heads(name, 2, T)) as [Tensor4D, Tensor4D, Tensor4D]
    const keep = keepOf([0, 1].map((b) => Array.from({ length: T }, (_, t) => b === 0 || t < 29)))
    const padding = paddingBias(keep)
    const all = localBlocks(count, count)
    await expectClose(
      blockSparseAttention(q, k, v, { size, blocks: all, keep }),
      scaledDotProduct(q, k, v, { bias: padding }),
    )
    const blocks = unionOfBlocks(localBlocks(count, 1), stridedBlocks(count, 3), randomBlocks(count, 1, new Rng(3)))
    for (const causal of [false, true]) {
      const seen = Array.from({ length: T * T }, (_, e) => {
        const [i, j] = [Math.floor(e / T), e % T]
        return blocks[Math.floor(i / size)]!.includes(Math.floor(j / size)) && (!causal || j <= i) ? 1 : 0
      })
      const bias = maskBias(tensor(seen, [T, T], 'int32'))
      const wanted = scaledDotProduct(q, k, v, { bias })
      await expectClose(blockSparseAttention(q, k, v, { size, blocks, causal }), wanted)
      const grads = (fn: () => Tensor) => valueAndGradsOf(() => sum<Scalar>(square(fn())), [q, k, v]).grads as Tensor[]
      const ours = grads(() => blockSparseAttention(q, k, v, { size, blocks, causal }))
      const theirs = grads(() => scaledDotProduct(q, k, v, { bias }))
      for (let i = 0; i < 3; i++) await expectClose(ours[i]!, theirs[i]!, { atol: 1e-5 })
    }
  })

  it('self-attention without positions commutes with permutation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 12 }), fc.nat(1000), async (T, seed) => {
        const attention = init(new MultiheadAttention(8, 2), new Rng(seed))
        const x = randomTensor(`x${seed}`, [2, T, 8]) as Tensor3D
        const order = tensor(new Rng(seed).permutation(T), [T], 'int32')
        const permuted = gather<Tensor3D>(x, order, 1)
        await expectClose(attention.forward(permuted), gather(attention.forward(x), order, 1), { atol: 1e-5 })
        attention[Symbol.dispose]()
      }),
      { numRuns: 10, seed: 1 },
    )
  })

  it('a batch equals its rows alone, padding included', async () => {
    const attention = init(new MultiheadAttention(8, 2), new Rng(1))
    const x = randomTensor('x', [2, 6, 8]) as Tensor3D
    const blocked = tensor([...Array(6).fill(0), 0, 0, 0, 0, 1, 1], [2, 6], 'bool')
    const both = attention.forward(x, x, x, { keyPaddingMask: blocked })
    const short = x.slice([1, 0, 0], [1, 4, 8])
    await expectClose(both.slice([0, 0, 0], [1, 6, 8]), attention.forward(x.slice([0, 0, 0], [1, 6, 8])))
    await expectClose(both.slice([1, 0, 0], [1, 4, 8]), attention.forward(short))
    attention[Symbol.dispose]()
  })

  it('looking at the pattern changes nothing, a head mask scales a head, a hidden row is zero', async () => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => heads(name, 2, 5)) as [Tensor4D, Tensor4D, Tensor4D]
    const look = (p: Tensor4D) => p
    const bias = causalBias(5, 5, { offset: -1 })
    const plain = scaledDotProduct(q, k, v, { bias })
    await expectClose(scaledDotProduct(q, k, v, { bias, onPattern: look }), plain)
    await expectClose(plain.slice([0, 0], [2, 1]), tensor(new Float32Array(16), [2, 1, 2, 4]))
    const headMask = tensor([0.5, 0])
    await expectClose(scaledDotProduct(q, k, v, { bias, headMask }), plain.mul(headMask.reshape([1, 1, 2, 1])))
  })

  it('grouped heads equal repeated keys', async () => {
    const q = heads('q', 2, 5, 6)
    const [k, v] = [heads('k', 2, 7, 2), heads('v', 2, 7, 2)]
    const each = tensor([0, 0, 0, 1, 1, 1], [6], 'int32')
    const repeated = scaledDotProduct(q, gather(k, each, 2), gather(v, each, 2), { causal: true })
    await expectClose(scaledDotProduct(q, k, v, { causal: true }), repeated)
  })

  it('drops the same elements in the fused and in the seen pattern', async () => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => heads(name, 2, 5)) as [Tensor4D, Tensor4D, Tensor4D]
    const dropout = { rate: 0.3, key: [1, 2], counter: [0, 0] } as const
    const seen = scaledDotProduct(q, k, v, { dropout, onPattern: (p) => p })
    await expectClose(scaledDotProduct(q, k, v, { dropout }), seen)
  })

  it('leaves nothing behind', async () => {
    const attention = init(
      new MultiheadAttention(8, 2, { dropout: 0.1, addBiasKv: true, addZeroAttn: true }),
      new Rng(1),
    )
    const x = randomTensor('x', [2, 6, 8]) as Tensor3D
    const qkv = heads('q', 1, 40)
    await expectNoLeak(() =>
      tidy(() => {
        const loss = () => sum<Scalar>(square(attention.forward(x, x, x, { causal: true })))
        training(attention, new Rng(2), () => valueAndGrads(attention, loss))
        slidingWindowAttention(qkv, qkv, qkv, { window: 4, global: { positions: [[0]] } })
      }),
    )
    attention[Symbol.dispose]()
  })
}, ['cpu', 'wasm', 'native'])

await forEachBackend(() => {
  it('16,384 tokens fit, forward and backward: whole scores would take a gibibyte each time they are held', () => {
    tidy(() => {
      const q = randomTensor('long', [1, 16384, 1, 4]) as Tensor4D
      const near = () => slidingWindowAttention(q, q, q, { window: 4, global: { positions: [[0, 999]] } })
      const blocks = () => blockSparseAttention(q, q, q, { size: 16, blocks: localBlocks(1024, 1) })
      for (const attend of [near, blocks]) {
        const [gradient] = valueAndGradsOf(() => sum<Scalar>(square(attend())), [q]).grads
        expect(gradient!.shape).toEqual([1, 16384, 1, 4])
      }
    })
  })
}, ['wasm', 'native'])

it('names its state as torch does', () => {
  const keys = (attention: MultiheadAttention) => [...stateOf(attention).keys()]
  expect(keys(new MultiheadAttention(8, 2))).toEqual([
    'in_proj_weight',
    'in_proj_bias',
    'out_proj.weight',
    'out_proj.bias',
  ])
  expect(keys(new MultiheadAttention(8, 2, { kdim: 3, addBiasKv: true }))).toEqual([
    'q_proj_weight',
    'k_proj_weight',
    'v_proj_weight',
    'in_proj_bias',
    'bias_k',
    'bias_v',
    'out_proj.weight',
    'out_proj.bias',
  ])
})

it('refuses what does not fit', () => {
  expect(() => new MultiheadAttention(770, 12)).toThrow(/embed_dim 770 must divide by num_heads 12/)
  const attention = init(new MultiheadAttention(8, 2), new Rng(1))
  const x = randomTensor('x', [2, 6, 8]) as Tensor3D
  const mask = (shape: number[]) => tensor(new Uint8Array(shape.reduce((a, b) => a * b)), shape, 'bool') as Tensor
  expect(() => attention.forward(x, x, x, { attnMask: mask([6, 5]) })).toThrow(/attnMask/)
  expect(() => attention.forward(x, x, x, { keyPaddingMask: mask([6, 2]) })).toThrow(/keyPaddingMask of \[2,6\]/)
  const counts = tensor(new Int32Array(12).fill(1), [2, 6], 'int32') as Tensor
  for (const which of ['keyPaddingMask', 'attnMask']) {
    // 1 where a key counts, or added to the scores? torch refuses it as well
    expect(() => attention.forward(x, x, x, { [which]: counts })).toThrow(
      expect.objectContaining({ code: 'mask-dtype' }),
    )
  }
  expect(() => attention.forward(randomTensor('x', [6, 8]) as unknown as Tensor3D)).toThrow(/with three axes/)
  const q = heads('q', 1, 6)
  expect(() => blockSparseAttention(q, q, q, { size: 0, blocks: [] })).toThrow(/whole size/)
  const short = tensor([1, 1, 1], [1, 3], 'int32') as Tensor2D
  expect(() => blockSparseAttention(q, q, q, { size: 3, blocks: [[0], [1]], keep: short })).toThrow(/wanted keep/)
  expect(() => slidingWindowAttention(q, q, q, { window: 1.5 })).toThrow(/whole window/)
  expect(() => blockSparseAttention(q, q, q, { size: 4, blocks: [[0]] })).toThrow(/wanted 2 lists/)
})
