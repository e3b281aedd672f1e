import { KeyValueCache } from '@filature/attention'
import { load, openCheckpoint, saveToBytes } from '@filature/checkpoint'
import {
  cpu,
  freeze,
  init,
  liveMemory,
  Module,
  maximum,
  mean,
  narrow,
  parameterCount,
  Rng,
  type Scalar,
  silu,
  square,
  stateOf,
  type Tensor2D,
  type Tensor3D,
  tensor,
  tidy,
  tiesOf,
  training,
  useBackend,
  valueAndGrads,
  zeros,
} from '@filature/tensor'
import { expectClose, expectNoLeak, peakBytes, randomIds, randomTensor } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  QFormer,
  type QFormerConfig,
  QFormerForCausalLM,
  QFormerForMaskedLM,
  type QFormerInputs,
  qformerBase,
  textBranchKeys,
} from './index.ts'

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

const query = (layer: number) => `encoder.layer.${layer}.attention.self.query.weight`

/** The first of the samples. */
const one = ({ query_embeds, encoder_hidden_states }: QFormerInputs) => ({
  query_embeds: narrow(query_embeds!, 0, 0, 1),
  encoder_hidden_states: narrow(encoder_hidden_states!, 0, 0, 1),
})

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

  it('loads a full checkpoint without its text branch, by naming what it leaves out', async () => {
    const whole = init(new QFormerForCausalLM(small), new Rng(2))
    await using checkpoint = await openCheckpoint(await saveToBytes(whole))
    /** As MiniGPT-4 holds it. */
    class Holder extends Module {
      readonly bert = new QFormer({ ...small, text_branch: false })
    }
    const bare = new Holder()
    await expect(load(bare, checkpoint)).rejects.toThrow(/word_embeddings/)
    const { leftOut } = await load(bare, checkpoint, { leaveOut: textBranchKeys() })
    expect(leftOut).toContain('bert.encoder.layer.2.intermediate.dense.weight')
    expect(leftOut).toContain('cls.predictions.transform.LayerNorm.bias')
    const inputs = { query_embeds: queries(), encoder_hidden_states: states() }
    await expectClose(bare.bert.forward(inputs), whole.bert.forward(inputs), { atol: 0 })
  })

  it('takes more or fewer words: what it knew stays as it was, heads and all', async () => {
    for (const Model of [QFormerForCausalLM, QFormerForMaskedLM]) {
      const model = init(new Model(small), new Rng(3))
      tidy(() => model.cls.predictions.bias.assign(randomTensor('bias', [40])))
      const inputs = { input_ids: text(), query_embeds: queries(), encoder_hidden_states: states() }
      const before = model.forward(inputs)
      model.resizeVocabulary(43, new Rng(4))
      const words = model.bert.embeddings.word_embeddings!.weight
      expect(model.bert.config.vocab_size).toBe(43)
      expect(tiesOf(model)).toEqual([
        ['bert.embeddings.word_embeddings.weight', 'cls.predictions.decoder.weight'],
        ['cls.predictions.bias', 'cls.predictions.decoder.bias'],
      ])
      await expectClose(narrow(model.forward(inputs), 2, 0, 40), before, { atol: 1e-6 })
      const rows = Array.from(narrow(words.value, 0, 40).dataSync())
      expect(rows.every((v) => v !== 0 && Math.abs(v) < 0.1)).toBe(true) // normal, deviation 0.02
      expect(Array.from(narrow(model.cls.predictions.bias.value, 0, 40).dataSync())).toEqual([0, 0, 0])
      // a new word is read, scored and trained
      const ids = tensor([41, 42, 1, 41, 2, 3], [1, 6], 'int32') as Tensor2D
      tidy(() => {
        const { grads } = valueAndGrads(model, () => model.loss({ ...inputs, ...one(inputs), input_ids: ids }, ids))
        const gradient = grads.get('bert.embeddings.word_embeddings.weight')!
        expect(gradient.shape).toEqual([43, 24])
        expect(Array.from(narrow(gradient, 0, 42).dataSync()).some((v) => v !== 0)).toBe(true)
      })
      model.resizeVocabulary(30, new Rng(5))
      const fewer = tensor([1, 29], [2, 1], 'int32') as Tensor2D
      expect(model.forward({ ...inputs, input_ids: fewer }).shape).toEqual([2, 1, 30])
      expect(() => model.resizeVocabulary(0, new Rng(0))).toThrow(/pad_token_id 0 must lie in the vocabulary/)
    }
    const undecided = new QFormer(small)
    undecided.resizeVocabulary(50, new Rng(0))
    expect(stateOf(undecided).get('embeddings.word_embeddings.weight')!.shape).toEqual([50, 24])
    const bare = new QFormer({ ...small, text_branch: false })
    expect(() => bare.resizeVocabulary(50, new Rng(0))).toThrow(/no words to resize/)
  })

  it('takes an activation by name or as a function', async () => {
    const inputs = { query_embeds: queries(), encoder_hidden_states: states(), input_ids: text() }
    const run = (hidden_act: QFormerConfig['hidden_act']) =>
      init(new QFormerForMaskedLM({ ...small, hidden_act, initializer_range: 0.3 }), new Rng(0)).forward(inputs)
    await expectClose(run(silu), run('silu'), { atol: 0 })
    await expectClose(
      run((x) => maximum(x, 0)),
      run('relu'),
      { atol: 1e-6 },
    )
    await expect(expectClose(run('relu'), run('gelu'), { atol: 1e-2 })).rejects.toThrow()
  })

  it('holds less on the way back when it computes its layers again', () => {
    const peak = (gradient_checkpointing: boolean) => {
      const sizes = { num_hidden_layers: 6, intermediate_size: 96, gradient_checkpointing }
      const model = init(new QFormer({ ...small, ...sizes, text_branch: false }), new Rng(0))
      const inputs = {
        query_embeds: randomTensor('many queries', [1, 32, 24]) as Tensor3D,
        encoder_hidden_states: randomTensor('many states', [1, 20, 16]) as Tensor3D,
      }
      const step = () => void valueAndGrads(model, () => mean<Scalar>(square(model.forward(inputs))))
      tidy(step) // what is made once
      return peakBytes(() => tidy(step))
    }
    expect(peak(true)).toBeLessThan(0.5 * peak(false))
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

  it('prunes heads counted among the original ones, twice to the same end, and comes back from a file so', async () => {
    const inputs = () => ({ query_embeds: queries(), encoder_hidden_states: states() })
    const once = init(new QFormer(small), new Rng(5))
    once.pruneHeads({ 0: [1, 3], 2: [0] })
    const twice = init(new QFormer(small), new Rng(5))
    twice.pruneHeads({ 0: [3] })
    twice.pruneHeads({ 0: [1, 3], 2: [0] })
    await expectClose(twice.forward(inputs()), once.forward(inputs()), { atol: 0 })
    expect(twice.config.pruned_heads).toEqual({ 0: [1, 3], 2: [0] })
    const saved = JSON.stringify(twice.config)
    await using checkpoint = await openCheckpoint(await saveToBytes(twice))
    const again = new QFormer(JSON.parse(saved))
    await load(again, checkpoint)
    await expectClose(again.forward(inputs()), once.forward(inputs()), { atol: 0 })
    await expect(load(new QFormer(small), checkpoint)).rejects.toThrow(/attention.self.query.weight/)
    // and it still counts as before any pruning
    again.pruneHeads({ 0: [2, 3] })
    once.pruneHeads({ 0: [2] })
    await expectClose(again.forward(inputs()), once.forward(inputs()), { atol: 0 })
    expect(() => once.pruneHeads({ 0: [9] })).toThrow(/heads/)
    // what is refused changes nothing, also when a layer before it could be pruned
    expect(() => once.pruneHeads({ 1: [1], 2: [1, 2, 3] })).toThrow(/at least one head must stay/)
    await expectClose(again.forward(inputs()), once.forward(inputs()), { atol: 0 })
    for (const layer of ['-1', '0.5', 'NaN']) {
      expect(() => once.pruneHeads({ 1: [0], [layer]: [1] } as Record<number, number[]>)).toThrow(`of layer ${layer};`)
      expect(once.config.pruned_heads).toEqual({ 0: [1, 2, 3], 2: [0] })
      expect(stateOf(once).get(query(1))!.shape).toEqual([24, 24])
    }
    await expectClose(again.forward(inputs()), once.forward(inputs()), { atol: 0 })
    expect(stateOf(new QFormer({ ...small, pruned_heads: { 1: [2, 2] } })).get(query(1))!.shape).toEqual([18, 24])
  })

  it('wants whole numbers as sizes, changes nothing for others, and a mask of the right rank', () => {
    const model = init(new QFormer(small), new Rng(5))
    expect(() => model.resizeVocabulary(10.5, new Rng(0))).toThrow(/vocab_size as a whole number from 0, got 10.5/)
    expect(model.config.vocab_size).toBe(small.vocab_size)
    expect(() => new QFormer({ ...small, cross_attention_freq: 0 })).toThrow(/cross_attention_freq .* from 1, got 0/)
    expect(() => new QFormer({ ...small, chunk_size_feed_forward: -2 })).toThrow(/chunk_size_feed_forward .* from 0/)
    expect(() => new QFormer({ ...small, num_hidden_layers: '3' as never })).toThrow(/num_hidden_layers as a whole/)
    const inputs = { query_embeds: queries(), encoder_hidden_states: states() }
    expect(() => model.forward({ ...inputs, encoder_attention_mask: zeros([5]) })).toThrow(/\(B, Q, S\), got \[5\]/)
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
