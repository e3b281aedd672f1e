import type { RotaryScaling } from '@filature/attention'
import { ConfigError } from '@filature/tensor'

/** How rotary positions reach beyond the trained length; keys as in `config.json`. */
export interface RopeScaling {
  type?: 'linear' | 'dynamic' | 'llama3' | 'default'
  /** The newer name of `type`. */
  rope_type?: 'linear' | 'dynamic' | 'llama3' | 'default'
  factor?: number
  low_freq_factor?: number
  high_freq_factor?: number
  original_max_position_embeddings?: number
}

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

/** Keys of a hub's config.json that change nothing here. */
// biome-ignore format: a list
const NEUTRAL = new Set([
  '_name_or_path',
  'architectures',
  'model_type',
  'torch_dtype',
  'dtype',
  'transformers_version',
  'use_cache',
  'max_sequence_length',
  'auto_map',
  'unsloth_version',
])

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
  if (!Number.isInteger(o.head_dim)) {
    fail(`hidden_size ${o.hidden_size} must divide by num_attention_heads ${o.num_attention_heads}`)
  }
  if (o.num_attention_heads % o.num_key_value_heads !== 0) {
    fail(`num_attention_heads ${o.num_attention_heads} must divide by num_key_value_heads ${o.num_key_value_heads}`)
  }
  for (const key of ['hidden_size', 'intermediate_size', 'vocab_size'] as const) {
    if (o[key] % o.pretraining_tp !== 0) fail(`${key} ${o[key]} must divide by pretraining_tp ${o.pretraining_tp}`)
  }
  if ((o.num_key_value_heads * o.head_dim) % o.pretraining_tp !== 0) {
    fail(
      `the width of the keys ${o.num_key_value_heads * o.head_dim} must divide by pretraining_tp ${o.pretraining_tp}`,
    )
  }
  return { ...o, rotary: rotaryScaling(rope_scaling, o.max_position_embeddings) }
}

function rotaryScaling(scaling: RopeScaling | null | undefined, maxPositions: number): RotaryScaling | undefined {
  const type = scaling?.rope_type ?? scaling?.type
  if (!scaling || type === undefined || type === 'default') return undefined
  const factor = scaling.factor ?? 1
  if (!(factor >= 1))
    throw new ConfigError('llama-rope', `Llama: wanted a rope_scaling factor of 1 or more, got ${factor}.`)
  if (type === 'linear') return { type, factor }
  if (type === 'dynamic') return { type, factor, maxPositions }
  if (type === 'llama3') {
    return {
      type,
      factor,
      lowFreqFactor: scaling.low_freq_factor ?? 1,
      highFreqFactor: scaling.high_freq_factor ?? 4,
      maxPositions: scaling.original_max_position_embeddings ?? maxPositions,
    }
  }
  throw new ConfigError(
    'llama-rope',
    `Llama: wanted rope_scaling of type linear, dynamic or llama3, got '${type}'; this scaling is not supported.`,
  )
}

// biome-ignore format: a list
const KNOWN = new Set([
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'head_dim',
  'hidden_act',
  'max_position_embeddings',
  'initializer_range',
  'rms_norm_eps',
  'rope_theta',
  'rope_scaling',
  'attention_bias',
  'mlp_bias',
  'attention_dropout',
  'tie_word_embeddings',
  'pad_token_id',
  'bos_token_id',
  'eos_token_id',
  'pretraining_tp',
  'gradient_checkpointing',
])

/** A hub's `config.json` as a configuration; a key that is unknown here is refused, not ignored. */
export function llamaConfig(json: Record<string, unknown>): LlamaConfig {
  const unknown = Object.keys(json).filter((key) => !KNOWN.has(key) && !NEUTRAL.has(key))
  if (unknown.length) {
    throw new ConfigError(
      'llama-config-keys',
      `Llama: config.json says ${unknown.map((key) => `${key}: ${JSON.stringify(json[key])}`).join(', ')}, which this ` +
        'model does not know; the checkpoint is of another architecture, or newer than this package.',
    )
  }
  const config = Object.fromEntries(Object.entries(json).filter(([key]) => KNOWN.has(key))) as unknown as LlamaConfig
  complete(config)
  return config
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
