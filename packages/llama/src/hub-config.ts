import { type ConfigKeys, configFrom } from '@filature/tensor'
import { complete, type LlamaConfig } from './config.ts'
import type { RopeScaling } from './rope-scaling.ts'

// biome-ignore format: lists
const KEYS: ConfigKeys = {
  who: 'Llama',
  known: [
    'vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads', 'num_key_value_heads',
    'head_dim', 'hidden_act', 'max_position_embeddings', 'initializer_range', 'rms_norm_eps', 'rope_theta',
    'rope_scaling', 'attention_bias', 'mlp_bias', 'attention_dropout', 'tie_word_embeddings', 'pad_token_id',
    'bos_token_id', 'eos_token_id', 'pretraining_tp', 'gradient_checkpointing',
  ],
  neutral: [
    'auto_map', 'is_llama_config', 'max_sequence_length', 'transformers.js_config', 'unsloth_fixed', 'unsloth_version',
  ],
  off: {
    model_type: ['llama'],
    partial_rotary_factor: [1, null],
    quantization_config: [null],
    rope_interleaved: [false],
    sliding_window: [null],
    use_sliding_window: [false],
  },
}

/** Keys of which null says more than "the default". */
const NULLABLE = ['rope_scaling', 'pad_token_id', 'bos_token_id', 'eos_token_id']

/**
 * A hub's `config.json` as a configuration. Rotary positions may be said by `rope_theta` and `rope_scaling`, or as
 * transformers 5 does by `rope_parameters`. A key that is unknown here is refused, not ignored.
 */
export function llamaConfig(json: Record<string, unknown>): LlamaConfig {
  const { rope_parameters, ...plain } = json
  const stated = configFrom<LlamaConfig>(KEYS, { ...plain, ...rotaryKeys(rope_parameters) })
  const given = Object.entries(stated).filter(([key, value]) => value !== null || NULLABLE.includes(key))
  const config = Object.fromEntries(given) as unknown as LlamaConfig
  complete(config)
  return config
}

/** The base and the scaling that transformers 5 joins under one key. */
function rotaryKeys(parameters: unknown): Record<string, unknown> {
  if (parameters === undefined || parameters === null) return {}
  const { rope_theta, partial_rotary_factor = 1, ...scaling } = parameters as RopeScaling & Record<string, unknown>
  const plain = Object.entries(scaling).every(([key, value]) => key === 'rope_type' && value === 'default')
  return {
    ...(rope_theta === undefined ? {} : { rope_theta }),
    partial_rotary_factor,
    rope_scaling: plain ? null : scaling,
  }
}
