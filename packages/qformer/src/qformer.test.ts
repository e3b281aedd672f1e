import { KeyValueCache } from '@filature/attention'
import {
  cpu,
  freeze,
  init,
  liveMemory,
  mean,
  parameterCount,
  Rng,
  type Scalar,
  square,
  stateOf,
  type Tensor2D,
  type Tensor3D,
  tensor,
  tidy,
  training,
  useBackend,
  valueAndGrads,
} from '@filature/tensor'
import { expectClose, expectNoLeak, randomIds, randomTensor } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { QFormer, type QFormerConfig, QFormerForCausalLM, qformerBase, textBranchKeys } from './index.ts'

const small: QFormerConfig = {
  vocab_size: 40,
  hidden_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  intermediate_size: 40,
  max_position_embeddings: 20,
  encoder_width: 16,
  query_length: 4,
}
const queries = () => randomTensor('queries', [2, 4, 24]) as Tensor3D
const states = () => randomTensor('states', [2, 5, 16]) as Tensor3D
const text = () => randomIds('text', [2, 6], 40) as Tensor2D

beforeAll(async () => {
  await useBackend(cpu())
})

describe('QFormer', () => {
  it('has the names and the size of the published base model', () => {
    const whole = new QFormerForCausalLM(qformerBase)
    expect(stateOf(whole).has('bert.encoder.layer.10.crossattention.self.key.weight')).toBe(true)
    expect(stateOf(whole).has('bert.encoder.layer.11.crossattention.self.key.weight')).toBe(false)
    const [C, F, E] = [768, 3072, 1408]
    const norm = 2 * C
    const linear = (from: number, to: number) => from * to + to
    const attention = (from: number) => 2 * linear(C, C) + 2 * linear(from, C) + norm
    const feedForward = linear(C, F) + linear(F, C) + norm
    const bert = 30522 * C + 512 * C + norm + 12 * (attention(C) + 2 * feedForward) + 6 * attention(E)
    const head = linear(C, C) + norm + 30522
    expect(parameterCount(whole)).toBe(bert + head)
  })

  it('builds no text branch when there is none, and names what it leaves out', () => {
    const whole = new Set(stateOf(new QFormerForCausalLM(small)).keys())
    const bare = new Set([...stateOf(new QFormer({ ...small, text_branch: false })).keys()].map((key) => `bert.${key}`))
    const left = textBranchKeys()
    for (const key of whole) expect(bare.has(key)).toBe(!left.some((pattern) => pattern.test(key)))
    const model = init(new QFormer({ ...small, text_branch: false }), new Rng(0))
    expect(() => model.forward({ input_ids: text() })).toThrow(/without a text branch/)
    expect(() => new QFormerForCausalLM({ ...small, text_branch: false })).toThrow(/needs the text branch/)
  })

  it('says what is missing or does not fit', () => {
    const model = init(new QFormer({ ...small, chunk_size_feed_forward: 3 }), new Rng(0))
    expect(() => model.forward({})).toThrow(/got neither/)
    expect(() => model.forward({ query_embeds: queries() })).toThrow(/encoder_hidden_states/)
    expect(() => model.forward({ query_embeds: queries(), encoder_hidden_states: states() })).toThrow(
      /must divide by chunk/,
    )
    expect(() => new QFormer({ ...small, hidden_size: 25 })).toThrow(/must divide by num_attention_heads/)
    expect(() => new QFormer({ ...small, hidden_act: 'gulu' })).toThrow(/wanted one of/)
  })

  it('computes feed-forward layers in chunks to the same end', async () => {
    const run = (chunk: number) => {
      const model = init(new QFormer({ ...small, chunk_size_feed_forward: chunk }), new Rng(0))
      return model.forward({ query_embeds: queries(), encoder_hidden_states: states() })
    }
    await expectClose(run(2), run(0), { atol: 1e-6 })
  })

  it('prunes heads counted among the original ones, twice to the same end, and saves what it pruned', async () => {
    const inputs = () => ({ query_embeds: queries(), encoder_hidden_states: states() })
    const once = init(new QFormer(small), new Rng(5))
    once.pruneHeads({ 0: [1, 3], 2: [0] })
    const twice = init(new QFormer(small), new Rng(5))
    twice.pruneHeads({ 0: [3] })
    twice.pruneHeads({ 0: [1, 3], 2: [0] })
    await expectClose(twice.forward(inputs()), once.forward(inputs()), { atol: 0 })
    expect(twice.config.pruned_heads).toEqual({ 0: [1, 3], 2: [0] })
    const shapes = (model: QFormer) => [...stateOf(model)].map(([key, { shape }]) => [key, shape])
    expect(shapes(new QFormer(twice.config))).toEqual(shapes(twice))
    expect(() => once.pruneHeads({ 0: [9] })).toThrow(/heads/)
  })

  it('masks a head to the same end as pruning it', async () => {
    const masked = init(new QFormer({ ...small, add_cross_attention: false }), new Rng(5))
    const factors = new Float32Array(12).fill(1)
    factors[4 + 2] = 0
    const head_mask = tensor(factors, [3, 4])
    const a = masked.forward({ query_embeds: queries(), head_mask })
    masked.pruneHeads({ 1: [2] })
    await expectClose(masked.forward({ query_embeds: queries() }), a, { atol: 1e-5 })
  })

  it('recomputes layers to the same gradients under the same dropout, and refuses a cache', async () => {
    const run = (gradient_checkpointing: boolean) => {
      const model = init(new QFormer({ ...small, gradient_checkpointing }), new Rng(0))
      const inputs = { query_embeds: queries(), encoder_hidden_states: states(), input_ids: text() }
      return training(model, new Rng(1), () => valueAndGrads(model, () => mean<Scalar>(square(model.forward(inputs)))))
    }
    const [a, b] = [run(false), run(true)]
    expect([...b.grads.keys()].sort()).toEqual([...a.grads.keys()].sort())
    for (const [path, gradient] of a.grads) await expectClose(b.grads.get(path)!, gradient, { atol: 1e-7 })
    const model = init(new QFormer({ ...small, gradient_checkpointing: true }), new Rng(0))
    using cache = new KeyValueCache({ layers: 3, batch: 2, capacity: 10 })
    expect(() => model.forward({ query_embeds: queries(), encoder_hidden_states: states(), cache })).toThrow(
      /decode without it/,
    )
  })

  it('gives no gradient to frozen parts and leaves nothing behind', async () => {
    const model = init(new QFormer(small), new Rng(0))
    freeze(model, (path) => !path.includes('query'))
    await expectNoLeak(() =>
      tidy(() => {
        const inputs = { query_embeds: queries(), encoder_hidden_states: states() }
        const { grads } = valueAndGrads(model, () => mean<Scalar>(square(model.forward(inputs))))
        expect([...grads.keys()].every((path) => path.includes('query'))).toBe(true)
      }),
    )
    const before = liveMemory().tensors
    model[Symbol.dispose]()
    expect(liveMemory().tensors).toBeLessThan(before)
  })
})
