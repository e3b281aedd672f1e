import type { RotaryScaling } from '@filature/attention'
import { ConfigError } from '@filature/tensor'
import { type RopeScaling, rotaryScaling } from './rope-scaling.ts'

/** Keys as in Hugging Face's `config.json`. */
export interface LlamaConfig {
  vocab_size: number
  hidden_size: number
  intermediate_size: number
  num_hidden_layers: number
  num_attention_heads: number
  /** Groups of keys and values; as many as heads by default. */
  num_key_value_heads?: number
  /** Width of a head; hidden_size / num_attention_heads by default. */
  head_dim?: number
  hidden_act?: string
  max_position_embeddings?: number
  initializer_range?: number
  rms_norm_eps?: number
  rope_theta?: number
  rope_scaling?: RopeScaling | null
  attention_bias?: boolean
  mlp_bias?: boolean
  attention_dropout?: number
  tie_word_embeddings?: boolean
  pad_token_id?: number | null
  bos_token_id?: number | null
  eos_token_id?: number | number[] | null
  /** Number of slices in which every product is computed, as the first checkpoints were trained. */
  pretraining_tp?: number
  /** Compute each block again on the way back instead of keeping its activations. */
  gradient_checkpointing?: boolean
}

export type Options = Omit<Required<LlamaConfig>, 'rope_scaling'> & { rotary: RotaryScaling | undefined }

const whole = [
  ...(['vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads'] as const),
  ...(['num_key_value_heads', 'max_position_embeddings', 'pretraining_tp'] as const),
]

/** Fills in the defaults and refuses what cannot be built. */
export function complete(config: LlamaConfig): Options {
  const { rope_scaling, ...given } = config
  const o = {
    num_key_value_heads: config.num_attention_heads,
    head_dim: config.hidden_size / config.num_attention_heads,
    hidden_act: 'silu',
    max_position_embeddings: 2048,
    initializer_range: 0.02,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    attention_bias: false,
    mlp_bias: false,
    attention_dropout: 0,
    tie_word_embeddings: false,
    pad_token_id: null,
    bos_token_id: 1,
    eos_token_id: 2,
    pretraining_tp: 1,
    gradient_checkpointing: false,
    ...given,
  }
  const fail = (message: string): never => {
    throw new ConfigError('llama-config', `Llama: ${message}; check config.json.`)
  }
  for (const key of whole) {
    if (!Number.isInteger(o[key]) || o[key] < 1) fail(`wanted ${key} as a whole number from 1, got ${o[key]}`)
  }
  if (!Number.isInteger(o.head_dim)) {
    fail(`hidden_size ${o.hidden_size} must divide by num_attention_heads ${o.num_attention_heads}`)
  }
  if (o.num_attention_heads % o.num_key_value_heads !== 0) {
    fail(`num_attention_heads ${o.num_attention_heads} must divide by num_key_value_heads ${o.num_key_value_heads}`)
  }
  for (const key of ['hidden_size', 'intermediate_size', 'vocab_size'] as const) {
    if (o[key] % o.pretraining_tp !== 0) fail(`${key} ${o[key]} must divide by pretraining_tp ${o.pretraining_tp}`)
  }
  for (const [what, heads] of [
    ['queries', o.num_attention_heads],
    ['keys', o.num_key_value_heads],
  ] as const) {
    const width = heads * o.head_dim
    if (width % o.pretraining_tp !== 0) {
      fail(`the width of the ${what} ${width} must divide by pretraining_tp ${o.pretraining_tp}`)
    }
  }
  return { ...o, rotary: rotaryScaling(rope_scaling, o.max_position_embeddings, o.head_dim) }
}

const llama1 = { vocab_size: 32000, rms_norm_eps: 1e-6, max_position_embeddings: 2048 }
const llama2 = { vocab_size: 32000, rms_norm_eps: 1e-5, max_position_embeddings: 4096 }
const of7B = { hidden_size: 4096, intermediate_size: 11008, num_hidden_layers: 32, num_attention_heads: 32 }
const of13B = { hidden_size: 5120, intermediate_size: 13824, num_hidden_layers: 40, num_attention_heads: 40 }

/** Configurations by their published names. */
export const llamaPresets = {
  'llama-7b': { ...llama1, ...of7B },
  'llama-13b': { ...llama1, ...of13B },
  'llama-2-7b': { ...llama2, ...of7B },
  'llama-2-13b': { ...llama2, ...of13B },
  'llama-3-8b': {
    vocab_size: 128256,
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    max_position_embeddings: 8192,
    bos_token_id: 128000,
    eos_token_id: 128001,
  },
  'tinyllama-1.1b': {
    vocab_size: 32000,
    hidden_size: 2048,
    intermediate_size: 5632,
    num_hidden_layers: 22,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 2048,
  },
} as const satisfies Record<string, LlamaConfig>
