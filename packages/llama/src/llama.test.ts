import { rotaryFrequencies, rotaryTable } from '@filature/attention'
import { generate } from '@filature/generation'
import {
  Bf16Store,
  concat,
  cpu,
  init,
  mean,
  narrow,
  parameterCount,
  parametersOf,
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
import { expectClose, expectNoLeak, forEachBackend, randomIds } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { stretchedCases } from './__fixtures__/stretched-positions.ts'
import { fromGguf, ggufDialect, Llama, type LlamaConfig, llamaConfig, llamaPresets } from './index.ts'
import { rotaryScaling } from './rope-scaling.ts'

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
    expect(() => llamaConfig({ ...json, model_type: 'gemma' })).toThrow(/model_type: "gemma"/)
    expect(() => llamaConfig({ ...json, quantization_config: { quant_method: 'gptq' } })).toThrow(/quantization_config/)
    // what published files say beside the model: SmolLM, LLaMA 3, files of transformers 4 and 5
    const beside = {
      ...{ rope_interleaved: false, is_llama_config: true, 'transformers.js_config': {}, dtype: 'bfloat16' },
      ...{ sliding_window: null, rope_scaling: null, head_dim: null, pretraining_tp: null },
    }
    expect(llamaConfig({ ...json, ...beside })).toEqual({ ...small, rope_scaling: null })
  })

  describe('of rotary positions', () => {
    const llama3 = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    }
    const read = (json: Record<string, unknown>) => llamaConfig({ ...small, ...json })

    it('is read as transformers 4 and as transformers 5 writes it', () => {
      const four = read({ rope_theta: 500000, rope_scaling: llama3 })
      expect(four).toMatchObject({ rope_theta: 500000, rope_scaling: llama3 })
      expect(read({ rope_parameters: { rope_theta: 500000, ...llama3 } })).toEqual(four)
      const plain = read({ rope_parameters: { rope_theta: 1000, rope_type: 'default' } })
      expect(plain).toEqual({ ...small, rope_theta: 1000, rope_scaling: null })
      expect(read({ rope_parameters: { rope_theta: 1e4, rope_type: 'linear', factor: 2 } }).rope_scaling).toEqual({
        rope_type: 'linear',
        factor: 2,
      })
    })

    it('is refused where something of it is missing, unknown or not done here', () => {
      const scaled = (rope_scaling: object) => () => read({ rope_scaling })
      expect(scaled({ type: 'su', factor: 2 })).toThrow(/linear, dynamic, llama3, yarn, longrope, got 'su'/)
      expect(scaled({ type: 'constructor' })).toThrow(/not supported/)
      expect(scaled({ type: 'yarn', factor: 2, beta_fast: '32' })).toThrow(/a number above 0 as beta_fast .* got "32"/)
      expect(scaled({ type: 'yarn', factor: 2, truncate: 1 })).toThrow(/true or false as truncate/)
      expect(scaled({ type: 'longrope', long_factor: [1] })).toThrow(/as short_factor of rope_scaling of type longrope/)
      expect(scaled({ type: 'longrope', short_factor: [1], long_factor: [1] })).toThrow(/a list of \d+ numbers above 0/)
      expect(scaled({ factor: 2 })).toThrow(/got 'undefined'/)
      expect(scaled({ type: 'linear' })).toThrow(/as factor of rope_scaling of type linear, got undefined/)
      expect(scaled({ type: 'linear', factor: 0.5 })).toThrow(/factor of 1 or more, got 0.5/)
      expect(scaled({ type: 'linear', factor: 2, attention_factor: 3 })).toThrow(/attention_factor/)
      const { original_max_position_embeddings: _, ...half } = llama3
      expect(scaled(half)).toThrow(/as original_max_position_embeddings/)
      expect(scaled({ ...llama3, high_freq_factor: 1 })).toThrow(/high_freq_factor above the low_freq_factor 1/)
      expect(() => read({ rope_parameters: { ...llama3, partial_rotary_factor: 0.5 } })).toThrow(/partial_rotary/)
      expect(() => read({ rope_parameters: { full_attention: llama3 } })).toThrow(/not supported/)
    })
  })

  it.each(stretchedCases)('stretches positions as transformers does: $name', async (stated) => {
    const { hidden_size, num_attention_heads, max_position_embeddings: most } = stated.config
    const config = llamaConfig({ ...small, num_key_value_heads: num_attention_heads, ...stated.config })
    const width = hidden_size / num_attention_heads
    const scaling = rotaryScaling(config.rope_scaling, most, width)!
    const options = { width, base: config.rope_theta ?? 10_000, scaling }
    const length = Math.max(...stated.positions) + 1
    const frequencies = rotaryFrequencies(options, length)
    const { cos, sin } = tidy(() => rotaryTable(options, { count: length }))
    const [c, s] = [await cos.data(), await sin.data()]
    stated.pairs.forEach((pair, j) => {
      expect(Math.abs(frequencies[pair]! / stated.frequencies[j]! - 1), `pair ${pair}`).toBeLessThan(1e-6)
      stated.positions.forEach((p, i) => {
        // float32 angles: an ulp of the frequency, times the position
        const tolerance = 2e-6 + 2e-7 * p * frequencies[pair]!
        const at = p * (width / 2) + pair
        expect(Math.abs(c[at]! - stated.cos[i]![j]!), `cos of pair ${pair} at ${p}`).toBeLessThan(tolerance)
        expect(Math.abs(s[at]! - stated.sin[i]![j]!), `sin of pair ${pair} at ${p}`).toBeLessThan(tolerance)
      })
    })
    cos.dispose()
    sin.dispose()
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
  const sizes = { 'llama.embedding_length': 128, 'llama.feed_forward_length': 256, 'llama.block_count': 2 }
  const metadata = { ...sizes, 'llama.attention.head_count': 2, 'llama.rope.freq_base': 500000 }
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
    const of = (key: string) => `llama.rope.scaling.${key}`
    const yarn = { [of('type')]: 'yarn', [of('factor')]: 4, [of('original_context_length')]: 2048 }
    const bounds = { [of('yarn_beta_fast')]: 24, [of('attn_factor')]: 0.5, [of('yarn_ext_factor')]: 1 }
    expect(fromGguf({ ...metadata, ...yarn, ...bounds }).rope_scaling).toEqual({
      rope_type: 'yarn',
      factor: 4,
      original_max_position_embeddings: 2048,
      beta_fast: 24,
      attention_factor: 0.5 * (1 + 0.1 * Math.log(4)),
    })
  })

  it('is refused when it is another, and never passed over', () => {
    expect(() => fromGguf(metadata, factorsOf(32).with(20, 3))).toThrow(/not those of LLaMA 3.1/)
    expect(() => fromGguf(metadata, factorsOf(32).slice(4))).toThrow(/not those of LLaMA 3.1/)
    expect(() => fromGguf({ ...metadata, 'llama.rope.scaling.type': 'longrope' })).toThrow(/longrope/)
    const yarn = { ...metadata, 'llama.rope.scaling.type': 'yarn', 'llama.rope.scaling.factor': 4 }
    expect(() => fromGguf({ ...yarn, 'llama.rope.scaling.yarn_ext_factor': 0.5 })).toThrow(/yarn_ext_factor 0.5/)
    expect(() => fromGguf({ ...metadata, 'llama.rope.dimension_count': 32 })).toThrow(/32 of 64/)
    expect(() => fromGguf({ ...metadata, 'llama.expert_count': 8 })).toThrow(/8 experts/)
    const factors = { dtype: 'F32' as const, shape: [32], read: async () => factorsOf(8) }
    const names = (config: LlamaConfig) => [
      ...ggufDialect(config)
        .toOurs(new Map([['rope_freqs.weight', factors]]))
        .keys(),
    ]
    expect(names(small)).toEqual(['rope_freqs.weight']) // a strict load names it
    const rope_scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    } as const
    expect(names({ ...small, rope_scaling })).toEqual([])
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

  it('scores rows padded on the left, token by token through a cache, as the rows alone', async () => {
    const model = init(new Llama(small), new Rng(0))
    const row = (length: number) => narrow(ids(), 1, 0, length) as Tensor2D
    const lengths = [3, 7] // of the first and the second row; the first stands behind four pads
    const alone = lengths.map((length, b) => model.logits({ ids: narrow(row(length), 0, b, b + 1) as Tensor2D }))
    const first = Array.from(narrow(ids(), 0, 0, 1).dataSync()).slice(0, 3)
    const second = Array.from(narrow(ids(), 0, 1, 2).dataSync())
    const padded = tensor([0, 0, 0, 0, ...first, ...second], [2, 7], 'int32') as Tensor2D
    using cache = model.newCache(2, 7)
    const ends = [2, 5, 6, 7] // a piece that is all padding in the first row, one that is half, and single tokens
    const pieces = ends.map((end, i) => {
      const from = ends[i - 1] ?? 0
      const masks = [Array.from({ length: end }, (_, s) => (s < 4 ? 0 : 1)), Array<number>(end).fill(1)]
      const positions = [0, 1].flatMap((b) =>
        Array.from({ length: end - from }, (_, t) => Math.max(0, from + t - (b ? 0 : 4))),
      )
      return model.logits({
        ids: narrow(padded, 1, from, end) as Tensor2D,
        attentionMask: tensor(masks.flat(), [2, end], 'int32'),
        positionIds: tensor(positions, [2, end - from], 'int32'),
        cache,
      })
    })
    const together = concat(pieces, 1)
    await expectClose(narrow(narrow(together, 0, 0, 1), 1, 4, 7), alone[0]!, { atol: 1e-5 })
    await expectClose(narrow(together, 0, 1, 2), alone[1]!, { atol: 1e-5 })
  })

  it('sees distances alone, wherever the positions begin, and refuses a mask that does not cover the keys', async () => {
    const model = init(new Llama({ ...small, initializer_range: 0.2 }), new Rng(0))
    const from = (start: number) =>
      tensor(
        [0, 1, 2, 3, 4, 5, 6].map((i) => start + i),
        [1, 7],
        'int32',
      ) as Tensor2D
    const both = (start: number) => model.logits({ ids: ids(), positionIds: concat([from(start), from(start)], 0) })
    await expectClose(both(0), model.logits({ ids: ids() }), { atol: 1e-5 })
    await expectClose(both(500), both(0), { atol: 1e-4 })
    using cache = model.newCache(2, 8)
    model.logits({ ids: ids(), cache })
    const next = { ids: tensor([1, 2], [2, 1], 'int32') as Tensor2D, cache }
    const short = tensor([1, 1], [2, 1], 'int32') as Tensor2D
    expect(() => model.logits({ ...next, attentionMask: short })).toThrow(/wanted \[2, 8\], a number for every cached/)
  })

  it('reduces its loss to a sum, a mean, or a mean of each row', () => {
    const model = init(new Llama(small), new Rng(0))
    const labels = tensor([...[7, 3, -100, 5, -100, 1, 2], ...[-100, 4, 4, 4, 9, 8, -100]], [2, 7], 'int32') as Tensor2D
    const loss = (reduction: 'mean' | 'sum' | 'none') =>
      Array.from(model.loss({ ids: ids() }, labels, { reduction } as never).dataSync())
    const counted = 4 + 5 // labels from the second on that are not -100
    expect(loss('mean')[0]! * counted).toBeCloseTo(loss('sum')[0]!, 3)
    expect(loss('none')[0]! * 6 + loss('none')[1]! * 6).toBeCloseTo(loss('sum')[0]!, 3)
    expect(loss('sum')[0]).toBeGreaterThan(9) // about log 50 a token
  })

  it('holds its weights in half the bytes, sliced or not, and gives float32 logits all the same', async () => {
    for (const pretraining_tp of [1, 2]) {
      const model = init(new Llama({ ...small, pretraining_tp, initializer_range: 0.2 }), new Rng(0))
      const rounded = init(new Llama({ ...small, pretraining_tp, initializer_range: 0.2 }), new Rng(0))
      for (const [path, parameter] of parametersOf(model)) {
        const store = Bf16Store.from((await parameter.value.data()) as Float32Array, parameter.shape)
        tidy(() => parametersOf(rounded).get(path)!.assign(store.dense()))
        parameter.setStore(store)
      }
      const logits = model.logits({ ids: ids() })
      // no step rounds to half precision: float32 of the rounded weights gives the same
      await expectClose(logits, rounded.logits({ ids: ids() }), { atol: 1e-5 })
      const data = Array.from(logits.dataSync())
      expect(
        data.some((v) => Math.abs(v - Bf16Store.from(Float32Array.of(v), [1]).dense().dataSync()[0]!) > 1e-4),
      ).toBe(true)
    }
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

await forEachBackend(
  (backend) => {
    it(`writes through a cache what it writes without, beyond its first room, on ${backend}`, async () => {
      const config = { ...small, num_hidden_layers: 1, initializer_range: 0.4 }
      using model = init(new Llama(config), new Rng(3))
      const prompts = [
        [5, 9, 3],
        [7, 1, 30, 31, 2, 44],
      ]
      for (const numBeams of [1, 3]) {
        const write = async (useCache: boolean) => {
          const { rows } = await generate(model, prompts, { maxNewTokens: 70, numBeams, useCache })
          return rows.map(({ ids }) => ids)
        }
        expect(await write(true)).toEqual(await write(false))
      }
    })
  },
  ['wasm', 'native'],
)
