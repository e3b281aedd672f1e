import {
  activationGrads,
  add,
  init,
  mul,
  narrow,
  observe,
  ones,
  parameterCount,
  Rng,
  type Scalar,
  square,
  stateOf,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor,
  tidy,
  training,
  valueAndGrads,
} from '@filature/tensor'
import { expectClose, expectNoLeak, forEachBackend, randomIds, randomTensor } from '@filature/testing'
import { describe, expect, it } from 'vitest'
import { BertModel } from './bert.ts'
import { type BertConfig, bertConfig, bertPresets } from './bert-config.ts'
import {
  BertForMaskedLM,
  BertForPreTraining,
  BertForQuestionAnswering,
  BertForSequenceClassification,
  BertForTokenClassification,
} from './bert-heads.ts'
import { GPT2LMHeadModel } from './gpt2.ts'

const config: BertConfig = {
  vocab_size: 20,
  hidden_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 16,
  max_position_embeddings: 10,
}
const ids = () => randomIds('ids', [2, 6], 20) as Tensor2D

await forEachBackend(() => {
  for (const position_embedding_type of ['absolute', 'relative_key', 'relative_key_query'] as const) {
    it(`${position_embedding_type}: a padded batch equals its rows alone`, async () => {
      const model = init(new BertModel({ ...config, position_embedding_type }), new Rng(1))
      const attentionMask = tensor(
        [
          [1, 1, 1, 1, 1, 1],
          [1, 1, 1, 1, 0, 0],
        ],
        [2, 6],
        'int32',
      ) as Tensor2D
      const both = model.forward({ ids: ids(), attentionMask })
      const short = model.forward({ ids: ids().slice([1, 0], [1, 4]) })
      await expectClose(both.slice([1, 0, 0], [1, 4, 12]), short, { atol: 1e-5 })
      await expectClose(narrow(both, 0, 0, 1), model.forward({ ids: narrow(ids(), 0, 0, 1) }), { atol: 1e-5 })
      model[Symbol.dispose]()
    })
  }

  it('heads masked to zero equal heads pruned, also one after the other', async () => {
    const model = init(new BertModel(config), new Rng(1))
    const full = tensor(
      [
        [1, 0, 1],
        [0, 1, 0],
      ],
      [2, 3],
    ) as Tensor2D
    const masked = model.forward({ ids: ids(), headMask: full })
    model.pruneHeads({ 0: [1], 1: [2] })
    model.pruneHeads({ 1: [0, 2] })
    expect(model.prunedHeads).toEqual({ 0: [1], 1: [0, 2] })
    await expectClose(model.forward({ ids: ids() }), masked, { atol: 1e-5 })
    // a head mask still counts original heads
    const more = tensor(
      [
        [0, 1, 1],
        [1, 1, 1],
      ],
      [2, 3],
    ) as Tensor2D
    expect((await model.forward({ ids: ids(), headMask: more }).sub(masked).abs().max().data())[0]).toBeGreaterThan(
      1e-4,
    )
    // built again from its configuration, it has the shapes of the pruned weights
    const again = new BertModel({ ...config, pruned_heads: model.prunedHeads })
    const shapes = (m: BertModel) => [...stateOf(m)].map(([path, leaf]) => [path, leaf.shape])
    expect(shapes(again)).toEqual(shapes(model))
    model[Symbol.dispose]()
  })

  it('recomputed layers give the gradients of kept ones, dropout and masks included', async () => {
    const mask = tensor(
      [
        [1, 0.5, 1],
        [0, 1, 2],
      ],
      [2, 3],
    ) as Tensor2D
    const attentionMask = tensor(
      [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 0],
      ],
      [2, 6],
      'int32',
    ) as Tensor2D
    const gradsOf = (gradient_checkpointing: boolean) => {
      const model = init(new BertModel({ ...config, gradient_checkpointing }), new Rng(1))
      const loss = () => sum<Scalar>(square(model.forward({ ids: ids(), headMask: mask, attentionMask })))
      const { grads } = training(model, new Rng(2), () => valueAndGrads(model, loss))
      model[Symbol.dispose]()
      return grads
    }
    const [kept, recomputed] = [gradsOf(false), gradsOf(true)]
    expect([...recomputed.keys()]).toEqual([...kept.keys()])
    for (const [path, gradient] of kept) await expectClose(recomputed.get(path)!, gradient, {}, path)
  })

  it('gives the gradient by a pattern, also where layers are recomputed', async () => {
    for (const gradient_checkpointing of [false, true]) {
      const model = init(new BertModel({ ...config, gradient_checkpointing, initializer_range: 0.5 }), new Rng(1))
      const site = 'encoder.layer.0.attention.self.pattern'
      const weights = randomTensor('weights', [2, 6, 12])
      const loss = () => sum<Scalar>(mul(model.forward({ ids: ids() }), weights))
      const { activations, grads } = activationGrads(model, site, loss)
      const [pattern, gradient] = [activations.get(site)!, grads.get(site)!]
      expect(gradient.shape).toEqual([2, 3, 6, 6])
      const length = sum(square(gradient)).dataSync()[0]!
      const h = 5e-3 / Math.sqrt(length)
      // along the gradient the loss grows by |gradient|^2 h
      const edited = (sign: number) =>
        observe(model, { [site]: (p) => add(p, mul(gradient, sign * h)) }, loss).dataSync()[0]!
      const slope = (edited(1) - edited(-1)) / (2 * h)
      expect(slope / length).toBeCloseTo(1, 1)
      await expectClose(sum(pattern, -1), sum(pattern, -1).mul(0).add(1))
      model[Symbol.dispose]()
    }
  })

  it('a sequence classifier reads its labels as problem_type says', async () => {
    const lossOf = (own: Partial<BertConfig>, labels: Tensor) => {
      const model = init(new BertForSequenceClassification({ ...config, ...own }), new Rng(4))
      return tidy(() => [
        model.loss({ ids: ids(), labels }).dataSync()[0]!,
        ...model.forward({ ids: ids() }).dataSync(),
      ])
    }
    const marks = [1, 0, 1, 0, 0, 1]
    const labels = tensor(marks, [2, 3])
    const mean = (of: (score: number, mark: number) => number, scores: number[]) =>
      scores.reduce((all, score, i) => all + of(score, marks[i]!), 0) / scores.length
    const binary = (score: number, mark: number) => Math.log(1 + Math.exp(score)) - mark * score
    const squared = (score: number, mark: number) => (score - mark) ** 2
    for (const [problem_type, of] of [
      [null, binary],
      ['multi_label_classification', binary],
      ['regression', squared],
    ] as const) {
      const [loss, ...scores] = lossOf({ num_labels: 3, problem_type }, labels)
      expect(loss).toBeCloseTo(mean(of, scores), 5)
    }
    const refused = (own: Partial<BertConfig>, given: Tensor) =>
      expect(() => lossOf(own, given)).toThrow(expect.objectContaining({ code: 'bert-labels' }))
    refused({ num_labels: 1 }, tensor([0, 0], [2], 'int32')) // one class: its cross-entropy would always be 0
    refused({ num_labels: 3, problem_type: 'single_label_classification' }, labels)
    expect(bertConfig({ ...config, problem_type: 'regression' }).problem_type).toBe('regression')
    expect(() => bertConfig({ ...config, problem_type: 'ranking' })).toThrow(/problem_type/)
  })

  it('names masks of other shapes', () => {
    const model = init(new BertModel(config), new Rng(1))
    const of = (inputs: object) => () => model.forward({ ids: ids(), ...inputs })
    expect(of({ attentionMask: ones([6]) })).toThrow(expect.objectContaining({ code: 'mask-shape' }))
    expect(of({ attentionMask: ones([2, 1, 1, 6]) })).toThrow(expect.objectContaining({ code: 'mask-shape' }))
    const heads = config.num_attention_heads
    for (const shape of [[heads], [config.num_hidden_layers + 1, heads]]) {
      expect(of({ headMask: ones(shape as [number]) })).toThrow(expect.objectContaining({ code: 'head-mask-layers' }))
    }
    const gpt2 = init(new GPT2LMHeadModel({ vocab_size: 20, n_embd: 12, n_layer: 2, n_head: 3 }), new Rng(1))
    expect(() => gpt2.logits({ ids: ids(), headMask: ones([1, 3]) })).toThrow(
      expect.objectContaining({ code: 'head-mask-layers' }),
    )
    expect(() => gpt2.logits({ ids: narrow(ids(), 0, 0, 1).reshape([6]) as unknown as Tensor2D })).toThrow(
      expect.objectContaining({ code: 'gpt2-inputs' }),
    )
    gpt2[Symbol.dispose]()
    model[Symbol.dispose]()
  })

  it('every head trains without a leak, dropout on', async () => {
    const labels = tensor(
      [
        [1, -100, 2, -100, -100, 0],
        [-100, 3, -100, -100, -100, -100],
      ],
      [2, 6],
      'int32',
    ) as Tensor2D
    const pair = tensor([0, 1], [2], 'int32') as Tensor1D
    const masked = new BertForMaskedLM(config)
    const pretraining = new BertForPreTraining(config)
    const classes = new BertForSequenceClassification({ ...config, num_labels: 3 })
    const scores = new BertForSequenceClassification({ ...config, num_labels: 1 })
    const tokens = new BertForTokenClassification({ ...config, num_labels: 4 })
    const spans = new BertForQuestionAnswering(config)
    const losses = [
      [masked, () => masked.loss({ ids: ids(), labels })],
      [pretraining, () => pretraining.loss({ ids: ids(), labels, nextSentenceLabels: pair })],
      [classes, () => classes.loss({ ids: ids(), labels: pair })],
      [scores, () => scores.loss({ ids: ids(), labels: tensor([0.5, -1]) })],
      [tokens, () => tokens.loss({ ids: ids(), labels })],
      [spans, () => spans.loss({ ids: ids(), starts: pair, ends: tensor([3, 99], [2], 'int32') as Tensor1D })],
    ] as const
    for (const [model, loss] of losses) {
      init(model, new Rng(1))
      const step = () => training(model, new Rng(2), () => valueAndGrads(model, loss as () => Scalar))
      tidy(() => {
        const { value, grads } = step()
        expect(value.dataSync()[0]).toBeGreaterThan(0)
        const unreached = [...stateOf(model)].filter(([path, leaf]) => 'trainable' in leaf && !grads.has(path))
        const expected = model === pretraining || model === masked ? ['decoder.weight', 'decoder.bias'] : []
        expect(unreached.map(([path]) => path.split('.').slice(-2).join('.'))).toEqual(expected)
        // the same draws give the same loss, other draws another one
        expect(step().value.dataSync()[0]).toBe(value.dataSync()[0])
      })
      await expectNoLeak(() => tidy(() => void step()))
      model[Symbol.dispose]()
    }
  })
}, ['cpu', 'wasm', 'native'])

describe('names', () => {
  it('a head stands beside the model', () => {
    const own = (model: BertForTokenClassification | BertForQuestionAnswering | BertForSequenceClassification) =>
      [...stateOf(model).keys()].filter((key) => !key.startsWith('bert.e'))
    expect(own(new BertForTokenClassification(config))).toEqual(['classifier.weight', 'classifier.bias'])
    expect(own(new BertForQuestionAnswering(config))).toEqual(['qa_outputs.weight', 'qa_outputs.bias'])
    expect(own(new BertForSequenceClassification(config))).toEqual([
      'bert.pooler.dense.weight',
      'bert.pooler.dense.bias',
      'classifier.weight',
      'classifier.bias',
    ])
    expect([...stateOf(new BertForMaskedLM(config)).keys()].filter((key) => key.startsWith('cls.'))).toEqual([
      'cls.predictions.transform.dense.weight',
      'cls.predictions.transform.dense.bias',
      'cls.predictions.transform.LayerNorm.weight',
      'cls.predictions.transform.LayerNorm.bias',
      'cls.predictions.bias',
      'cls.predictions.decoder.weight',
      'cls.predictions.decoder.bias',
    ])
  })

  it('published sizes', () => {
    const count = (name: keyof typeof bertPresets) => parameterCount(new BertModel(bertPresets[name]))
    expect(count('bert-base-uncased')).toBe(109_482_240)
    expect(count('bert-base-cased')).toBe(108_310_272)
    expect(count('bert-base-multilingual-cased')).toBe(177_853_440)
    expect(count('bert-large-uncased')).toBe(335_141_888)
    expect(count('google/bert_uncased_L-2_H-128_A-2')).toBe(4_385_920)
    expect(parameterCount(new BertForPreTraining(bertPresets['bert-base-uncased']))).toBe(110_106_428)
    expect(parameterCount(new BertForMaskedLM(bertPresets['bert-base-uncased']))).toBe(109_514_298)
  })
})

describe('start', () => {
  it('is normal with 0.02, norms at one, biases and padding at zero', () => {
    const model = init(
      new BertModel({ ...config, hidden_size: 96, intermediate_size: 128, vocab_size: 500 }),
      new Rng(7),
    )
    for (const [path, leaf] of stateOf(model)) {
      const values = Array.from(leaf.value.dataSync())
      if (path.endsWith('LayerNorm.weight')) expect(new Set(values)).toEqual(new Set([1]))
      else if (path.endsWith('bias')) expect(new Set(values)).toEqual(new Set([0]))
      else if (/\.(query|key|value|dense|word_embeddings)\.weight$/.test(path)) {
        const mean = values.reduce((a, b) => a + b, 0) / values.length
        const std = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length)
        expect(Math.abs(mean), path).toBeLessThan(8e-4)
        expect(std, path).toBeGreaterThan(0.0192)
        expect(std, path).toBeLessThan(0.0208)
      }
    }
    const words = model.embeddings.word_embeddings.weight.value.dataSync().subarray(0, 96)
    expect(new Set(words)).toEqual(new Set([0]))
    model[Symbol.dispose]()
  })
})

describe('configuration', () => {
  const hub = {
    architectures: ['BertForMaskedLM'],
    attention_probs_dropout_prob: 0.1,
    gradient_checkpointing: false,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    hidden_size: 768,
    initializer_range: 0.02,
    intermediate_size: 3072,
    layer_norm_eps: 1e-12,
    max_position_embeddings: 512,
    model_type: 'bert',
    num_attention_heads: 12,
    num_hidden_layers: 12,
    pad_token_id: 0,
    position_embedding_type: 'absolute',
    transformers_version: '4.6.0.dev0',
    type_vocab_size: 2,
    use_cache: true,
    vocab_size: 30522,
  }

  it('reads what the hub has', () => {
    expect(parameterCount(new BertModel(bertConfig(hub)))).toBe(109_482_240)
    expect(
      parameterCount(new BertForSequenceClassification(bertConfig({ ...hub, id2label: { 0: 'a', 1: 'b', 2: 'c' } }))),
    ).toBe(109_482_240 + 3 * 769)
  })

  it('refuses what it does not know', () => {
    expect(() => bertConfig({ ...hub, embedding_size: 128 })).toThrow(/embedding_size: 128/)
    expect(() => bertConfig({ ...hub, model_type: 'roberta' })).toThrow(/model_type: "roberta", which is not supported/)
    expect(() => bertConfig({ ...hub, is_decoder: true })).toThrow(/is_decoder: true, which is not supported/)
    expect(() => new BertModel({ ...config, hidden_size: 770, num_attention_heads: 12 })).toThrow(
      /hidden_size 770 must divide by num_attention_heads 12/,
    )
    expect(() => new BertModel({ ...config, hidden_act: 'gelo' })).toThrow(/gelo/)
    const model = init(new BertModel(config, { pooler: false }), new Rng(1))
    expect(() => model.forward({ ids: randomIds('long', [1, 11], 20) as Tensor2D })).toThrow(/at most 10 tokens/)
    expect(() => model.pooled({ ids: ids() })).toThrow(/without a pooler/)
    expect(() => model.forward({})).toThrow(/either ids or embeds/)
    expect(() => model.pruneHeads({ 0: [0], 5: [0] })).toThrow(/no layer 5/)
    expect(() => model.pruneHeads({ 0: [0], 1: [0, 1, 2] })).toThrow(/at least one head/)
    expect(model.prunedHeads).toEqual({})
    model[Symbol.dispose]()
  })
})
