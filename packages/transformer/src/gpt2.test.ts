import { type FileTensor, init, parameterCount, parametersOf, Rng, stateOf } from '@filature/tensor'
import { describe, expect, it } from 'vitest'
import { bertDialects } from './bert-dialects.ts'
import { GPT2LMHeadModel } from './gpt2.ts'
import { gpt2Config, gpt2Presets } from './gpt2-config.ts'
import { gpt2Dialects } from './gpt2-dialects.ts'
import { NanoGPT } from './nanogpt.ts'
import { Seq2SeqTransformer } from './seq2seq.ts'

describe('GPT-2', () => {
  it('has the published sizes', () => {
    const count = (name: keyof typeof gpt2Presets) => parameterCount(new GPT2LMHeadModel(gpt2Presets[name]))
    expect(count('gpt2')).toBe(124_439_808)
    expect(count('gpt2-medium')).toBe(354_823_168)
    expect(count('gpt2-large')).toBe(774_030_080)
    expect(count('gpt2-xl')).toBe(1_557_611_200)
    expect(count('distilgpt2')).toBe(81_912_576)
    const nano = { block_size: 1024, vocab_size: 50257, n_layer: 12, n_head: 12, n_embd: 768 }
    expect(parameterCount(new NanoGPT(nano))).toBe(124_439_808)
  })

  const hub = {
    activation_function: 'gelu_new',
    architectures: ['GPT2LMHeadModel'],
    attn_pdrop: 0.1,
    bos_token_id: 50256,
    embd_pdrop: 0.1,
    eos_token_id: 50256,
    initializer_range: 0.02,
    layer_norm_epsilon: 1e-5,
    model_type: 'gpt2',
    n_ctx: 1024,
    n_embd: 768,
    n_head: 12,
    n_layer: 12,
    n_positions: 1024,
    resid_pdrop: 0.1,
    summary_activation: null,
    summary_first_dropout: 0.1,
    summary_proj_to_labels: true,
    summary_type: 'cls_index',
    summary_use_proj: true,
    task_specific_params: { 'text-generation': { do_sample: true, max_length: 50 } },
    vocab_size: 50257,
  }

  it('reads the hub config and refuses what it does not know', () => {
    expect(parameterCount(new GPT2LMHeadModel(gpt2Config(hub)))).toBe(124_439_808)
    expect(() => gpt2Config({ ...hub, add_cross_attention: true })).toThrow(/add_cross_attention: true/)
    expect(() => gpt2Config({ ...hub, multi_query: true })).toThrow(/multi_query: true/)
    expect(() => new GPT2LMHeadModel({ ...gpt2Presets.gpt2, n_head: 11 })).toThrow(
      /n_embd 768 must divide by n_head 11/,
    )
  })

  it('starts the residual projections smaller', () => {
    const config = { vocab_size: 200, n_embd: 96, n_layer: 8, n_head: 4, n_positions: 32 }
    const deviation = (values: ArrayLike<number>) =>
      Math.sqrt(Array.from(values).reduce((a, b) => a + b * b, 0) / values.length)
    for (const model of [new GPT2LMHeadModel(config), new NanoGPT({ ...config, block_size: 32 } as never)]) {
      init(model, new Rng(3))
      for (const [path, parameter] of parametersOf(model)) {
        if (!path.endsWith('.weight') || /\.ln_/.test(path)) continue
        const wanted = path.includes('c_proj') ? 0.02 / 4 : 0.02
        expect(deviation(parameter.value.dataSync()) / wanted, path).toBeCloseTo(1, 1)
      }
      model[Symbol.dispose]()
    }
  })
})

it('nn.Transformer starts every matrix by Xavier', () => {
  const sizes = { d_model: 64, nhead: 4, num_encoder_layers: 1, num_decoder_layers: 1, dim_feedforward: 96 }
  const model = init(new Seq2SeqTransformer({ ...sizes, src_vocab: 50, tgt_vocab: 50 }), new Rng(3))
  for (const [path, parameter] of parametersOf(model.transformer)) {
    if (parameter.shape.length < 2) continue
    const bound = Math.sqrt(6 / (parameter.shape[0]! + parameter.shape[1]!))
    const greatest = Math.max(...parameter.value.dataSync().map(Math.abs))
    expect(greatest, path).toBeLessThanOrEqual(bound + 1e-6)
    expect(greatest, path).toBeGreaterThan(0.95 * bound)
  }
  model[Symbol.dispose]()
})

describe('dialects', () => {
  const entry = (shape: number[], values: number[]): FileTensor => ({
    dtype: 'F32',
    shape,
    read: async () => Float32Array.from(values),
  })

  it('GPT-2 files of the hub have the names of the model, and come back', async () => {
    const file = new Map([
      ['wte.weight', entry([2, 1], [1, 2])],
      ['h.0.attn.c_attn.weight', entry([2, 3], [1, 2, 3, 4, 5, 6])],
    ])
    const ours = gpt2Dialects.hub.toOurs(file)
    expect([...ours.keys()]).toEqual(['transformer.wte.weight', 'transformer.h.0.attn.c_attn.weight'])
    expect([...gpt2Dialects.hub.toTheirs(ours).keys()]).toEqual([...file.keys()])
    const nano = gpt2Dialects.nanogpt.toOurs(file).get('transformer.h.0.attn.c_attn.weight')!
    expect(nano.shape).toEqual([3, 2])
    expect([...(await nano.read())]).toEqual([1, 4, 2, 5, 3, 6])
  })

  it('every GPT-2 name of the hub is one of the model', () => {
    const model = new GPT2LMHeadModel({ vocab_size: 5, n_embd: 4, n_layer: 1, n_head: 1, n_positions: 4 })
    const table = new Map([...stateOf(model)].map(([path, leaf]) => [path, entry(leaf.shape, [])]))
    const theirs = gpt2Dialects.hub.toTheirs(table)
    expect(theirs.has('lm_head.weight')).toBe(false)
    const back = gpt2Dialects.hub.toOurs(theirs)
    expect([...back.keys()]).toEqual([...table.keys()].filter((key) => key !== 'lm_head.weight'))
  })

  it('the first BERT files call a norm gamma and beta', () => {
    const file = new Map([
      ['bert.embeddings.LayerNorm.gamma', entry([1], [1])],
      ['bert.embeddings.LayerNorm.beta', entry([1], [1])],
      ['bert.pooler.dense.bias', entry([1], [1])],
    ])
    const ours = bertDialects.gammaBeta.toOurs(file)
    expect([...ours.keys()].slice(0, 2)).toEqual(['bert.embeddings.LayerNorm.weight', 'bert.embeddings.LayerNorm.bias'])
    expect([...bertDialects.gammaBeta.toTheirs(ours).keys()]).toEqual([...file.keys()])
    expect([...bertDialects.bare.toOurs(file).keys()]).toEqual([
      'embeddings.LayerNorm.weight',
      'embeddings.LayerNorm.bias',
      'pooler.dense.bias',
    ])
  })
})
