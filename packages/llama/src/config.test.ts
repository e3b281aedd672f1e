import { yarnFactor } from '@filature/attention'
import { describe, expect, it } from 'vitest'
import { fromGguf, Llama, llamaConfig } from './index.ts'
import { rotaryScaling } from './rope-scaling.ts'

const sizes = {
  vocab_size: 50,
  hidden_size: 32,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
}

describe('llamaConfig', () => {
  it('wants whole numbers as sizes, and names the one that is none', () => {
    for (const [key, value] of [
      ['num_hidden_layers', -1],
      ['num_attention_heads', '4'],
      ['num_attention_heads', 0],
      ['num_key_value_heads', 0],
      ['vocab_size', undefined],
      ['intermediate_size', 40.5],
      ['max_position_embeddings', 0],
    ] as const) {
      const wanted = expect.objectContaining({
        code: 'llama-config',
        message: `Llama: wanted ${key} as a whole number from 1, got ${value}; check config.json.`,
      })
      expect(() => llamaConfig({ ...sizes, [key]: value }), key).toThrow(wanted)
      expect(() => new Llama({ ...sizes, [key]: value } as typeof sizes), key).toThrow(wanted)
    }
  })

  it("takes null for what YaRN's keys leave to their defaults, as transformers writes them", () => {
    const stated = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 } as const
    const nulls = { mscale: null, mscale_all_dim: null, attention_factor: null, beta_fast: null, beta_slow: null }
    const read = (keys: object) => rotaryScaling({ ...stated, ...keys }, 64, 8)
    expect(read(nulls)).toEqual(read({}))
    expect(read({ ...nulls, mscale: 0.7 })).toMatchObject({ attentionFactor: yarnFactor(4) })
    const both = yarnFactor(4, 0.7) / yarnFactor(4, 0.5)
    expect(read({ mscale: 0.7, mscale_all_dim: 0.5 })).toMatchObject({ attentionFactor: both })
  })
})

describe('fromGguf', () => {
  const metadata = {
    'general.architecture': 'llama',
    'llama.vocab_size': 50,
    'llama.embedding_length': 32,
    'llama.feed_forward_length': 40,
    'llama.block_count': 2,
    'llama.attention.head_count': 4,
  }
  const error = (code: string, message: RegExp) =>
    expect.objectContaining({ code, message: expect.stringMatching(message) })

  it('refuses another architecture, and names what the metadata lacks', () => {
    const other = { 'general.architecture': 'qwen2', 'qwen2.embedding_length': 32 }
    expect(() => fromGguf(other)).toThrow(error('llama-gguf', /architecture llama, got qwen2/))
    const { 'llama.block_count': _, ...less } = metadata
    expect(() => fromGguf(less)).toThrow(error('llama-gguf', /lacks llama.block_count;/))
  })

  it('heeds a factor only under a type that has one', () => {
    const factor = { ...metadata, 'llama.rope.scaling.factor': 4 }
    expect(fromGguf(factor).rope_scaling).toEqual({ rope_type: 'linear', factor: 4 }) // the type when none is said
    expect(fromGguf({ ...factor, 'llama.rope.scaling.type': 'none' }).rope_scaling).toBeUndefined()
    expect(fromGguf({ ...metadata, 'llama.rope.scaling.type': 'linear' }).rope_scaling).toBeUndefined()
  })

  it('passes over neither of a stated scaling and factors of its own', () => {
    const base = { ...metadata, 'llama.rope.freq_base': 500000 }
    const yarn = { ...base, 'llama.rope.scaling.type': 'yarn', 'llama.rope.scaling.factor': 4 }
    expect(fromGguf(yarn, [1, 1, 1, 1]).rope_scaling).toEqual({ rope_type: 'yarn', factor: 4 })
    const ramp = (8192 / (2 * Math.PI * 500000 ** 0.5) - 1) / 3
    const factors = [1, 1, 1 / ((1 - ramp) / 8 + ramp), 8]
    expect(fromGguf(base, factors).rope_scaling).toMatchObject({ rope_type: 'llama3', factor: 8 })
    expect(() => fromGguf(yarn, factors)).toThrow(error('llama-rope', /type yarn and rope_freqs.weight beside it/))
  })

  it('has the ids that begin and end a text', () => {
    const ids = { 'tokenizer.ggml.bos_token_id': 11, 'tokenizer.ggml.eos_token_id': 12 }
    expect(fromGguf({ ...metadata, ...ids })).toMatchObject({ bos_token_id: 11, eos_token_id: 12 })
    expect(fromGguf(metadata)).not.toHaveProperty('eos_token_id')
  })
})
