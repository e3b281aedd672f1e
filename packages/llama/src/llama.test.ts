import {
  cpu,
  init,
  mean,
  narrow,
  parameterCount,
  Rng,
  type Scalar,
  square,
  stateOf,
  type Tensor2D,
  tensor,
  tidy,
  tiesOf,
  useBackend,
  valueAndGrads,
} from '@filature/tensor'
import { expectClose, expectNoLeak, randomIds } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromGguf, ggufDialect, Llama, type LlamaConfig, llamaConfig, llamaPresets } from './index.ts'

const small: LlamaConfig = {
  vocab_size: 50,
  hidden_size: 32,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
}
const ids = () => randomIds('ids', [2, 7], 50) as Tensor2D
const described = (config: LlamaConfig) => parameterCount(new Llama(config))

beforeAll(async () => {
  await useBackend(cpu())
})

describe('configuration', () => {
  it('describes the published models at their published sizes', () => {
    expect(described(llamaPresets['llama-7b'])).toBe(6_738_415_616)
    expect(described(llamaPresets['llama-13b'])).toBe(13_015_864_320)
    expect(described(llamaPresets['llama-2-7b'])).toBe(6_738_415_616)
    expect(described(llamaPresets['llama-3-8b'])).toBe(8_030_261_248)
    expect(described(llamaPresets['tinyllama-1.1b'])).toBe(1_100_048_384)
    expect(stateOf(new Llama(llamaPresets['llama-7b'])).has('model.layers.31.self_attn.o_proj.weight')).toBe(true)
  })

  it('takes a hub config.json and refuses keys that it does not know', () => {
    const json = {
      ...small,
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      torch_dtype: 'float16',
      use_cache: true,
    }
    expect(llamaConfig(json)).toEqual(small)
    expect(() => llamaConfig({ ...json, sliding_window: 4096 })).toThrow(/sliding_window: 4096/)
    expect(() => llamaConfig({ ...json, rope_scaling: { type: 'yarn', factor: 2 } })).toThrow(/not supported/)
  })

  it('says which numbers do not fit', () => {
    expect(() => new Llama({ ...small, hidden_size: 33 })).toThrow(/must divide by num_attention_heads/)
    expect(() => new Llama({ ...small, num_key_value_heads: 3 })).toThrow(/must divide by num_key_value_heads 3/)
    expect(() => new Llama({ ...small, pretraining_tp: 3 })).toThrow(/must divide by pretraining_tp 3/)
    expect(() => new Llama({ ...small, hidden_act: 'swosh' })).toThrow(/wanted one of/)
  })

  it('reads a GGUF header and its names', async () => {
    const config = fromGguf({
      'llama.vocab_size': 50,
      'llama.embedding_length': 32,
      'llama.feed_forward_length': 40,
      'llama.block_count': 2,
      'llama.attention.head_count': 4,
      'llama.attention.head_count_kv': 2,
      'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-6),
    })
    expect(parameterCount(new Llama(config))).toBe(described(small))
    const entry = {
      dtype: 'F32' as const,
      shape: [16, 32],
      read: async () => Float32Array.from({ length: 512 }, (_, i) => Math.floor(i / 32)),
    }
    const ours = ggufDialect(config).toOurs(new Map([['blk.1.attn_k.weight', entry]]))
    const rows = (await ours.get('model.layers.1.self_attn.k_proj.weight')!.read()) as Float32Array
    // two heads of eight: pairs (0, 1), (2, 3), ... become halves
    expect(Array.from({ length: 16 }, (_, row) => rows[32 * row])).toEqual([
      0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15,
    ])
  })
})

describe('rotary scaling in a GGUF file', () => {
  const metadata = { 'llama.embedding_length': 128, 'llama.attention.head_count': 2, 'llama.rope.freq_base': 500000 }
  /** As llama.cpp's converter computes them of config.json. */
  const factorsOf = (factor: number) =>
    Float32Array.from({ length: 32 }, (_, i) => {
      const wavelength = 2 * Math.PI * 500000 ** (i / 32)
      if (wavelength < 8192 / 4) return 1
      if (wavelength > 8192) return factor
      const smooth = (8192 / wavelength - 1) / (4 - 1)
      return 1 / ((1 - smooth) / factor + smooth)
    })

  it('is read out of rope_freqs.weight, or out of the header', () => {
    const rope_scaling = {
      rope_type: 'llama3',
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    }
    expect(fromGguf(metadata, factorsOf(32))).toMatchObject({ rope_scaling })
    expect(fromGguf(metadata, new Float32Array(32).fill(1))).toMatchObject({ rope_scaling: { rope_type: 'default' } })
    expect(fromGguf(metadata).rope_scaling).toBeUndefined()
    const linear = { ...metadata, 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4 }
    expect(fromGguf(linear).rope_scaling).toEqual({ rope_type: 'linear', factor: 4 })
  })

  it('is refused when it is another, and never passed over', () => {
    expect(() => fromGguf(metadata, factorsOf(32).with(20, 3))).toThrow(/not those of LLaMA 3.1/)
    expect(() => fromGguf(metadata, factorsOf(32).slice(4))).toThrow(/not those of LLaMA 3.1/)
    expect(() => fromGguf({ ...metadata, 'llama.rope.scaling.type': 'yarn' })).toThrow(/yarn/)
    expect(() => fromGguf({ ...metadata, 'llama.rope.dimension_count': 32 })).toThrow(/32 of 64/)
    expect(() => fromGguf({ ...metadata, 'llama.expert_count': 8 })).toThrow(/8 experts/)
    const factors = { dtype: 'F32' as const, shape: [32], read: async () => factorsOf(8) }
    const names = (config: LlamaConfig) => [
      ...ggufDialect(config)
        .toOurs(new Map([['rope_freqs.weight', factors]]))
        .keys(),
    ]
    expect(names(small)).toEqual(['rope_freqs.weight']) // a strict load names it
    expect(names({ ...small, rope_scaling: { rope_type: 'llama3', factor: 8 } })).toEqual([])
  })
})

describe('Llama', () => {
  it('ties its head where the configuration says so', () => {
    expect(tiesOf(new Llama({ ...small, tie_word_embeddings: true }))).toEqual([
      ['model.embed_tokens.weight', 'lm_head.weight'],
    ])
    expect(tiesOf(new Llama(small))).toEqual([])
  })

  it('gives the last position alone, as the last of all', async () => {
    const model = init(new Llama(small), new Rng(0))
    const all = model.logits({ ids: ids() })
    await expectClose(model.logits({ ids: ids(), lastOnly: true }), narrow(all, 1, -1), { atol: 1e-6 })
  })

  it('scores a padded row as the row alone', async () => {
    const model = init(new Llama(small), new Rng(0))
    const row = narrow(ids(), 0, 0, 1)
    const alone = model.logits({ ids: narrow(row, 1, 2, 7) as Tensor2D })
    const padded = model.logits({
      ids: row as Tensor2D,
      attentionMask: tensor([0, 0, 1, 1, 1, 1, 1], [1, 7], 'int32'),
      positionIds: tensor([1, 1, 0, 1, 2, 3, 4], [1, 7], 'int32'),
    })
    await expectClose(narrow(padded, 1, 2, 7), alone, { atol: 1e-5 })
  })

  it('recomputes blocks to the same gradients, masks and all, and refuses a cache', async () => {
    const run = (gradient_checkpointing: boolean) => {
      const model = init(new Llama({ ...small, gradient_checkpointing }), new Rng(0))
      const attentionMask = tensor([1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1], [2, 7], 'int32')
      const loss = () => mean<Scalar>(square(model.logits({ ids: ids(), attentionMask })))
      return tidy(() =>
        [...valueAndGrads(model, loss).grads].map(([path, g]) => [path, Array.from(g.dataSync())] as const),
      )
    }
    const again = new Map(run(true))
    for (const [path, gradient] of run(false)) await expectClose(again.get(path)!, gradient, { atol: 1e-7 })
    const model = init(new Llama({ ...small, gradient_checkpointing: true }), new Rng(0))
    using cache = model.newCache(2, 8)
    expect(() => valueAndGrads(model, () => mean<Scalar>(model.logits({ ids: ids(), cache })))).toThrow(
      /fill a cache twice/,
    )
  })

  it('says when a cache is full, and when inputs are both or neither', () => {
    const model = init(new Llama(small), new Rng(0))
    using cache = model.newCache(2, 5)
    expect(() => model.logits({ ids: ids(), cache })).toThrow(/capacity of 5/)
    expect(() => model.logits({})).toThrow(/either ids or embeds/)
  })

  it('leaves nothing behind', async () => {
    const model = init(new Llama(small), new Rng(0))
    await expectNoLeak(() => tidy(() => void valueAndGrads(model, () => model.loss({ ids: ids() }, ids()))))
    await expectNoLeak(() => {
      using cache = model.newCache(2, 8)
      tidy(() => void model.logits({ ids: ids(), cache }))
    })
  })
})
