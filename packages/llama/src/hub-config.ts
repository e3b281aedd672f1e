import { ConfigError } from '@filature/tensor'
import { complete, type LlamaConfig } from './config.ts'
import type { RopeScaling } from './rope-scaling.ts'

/** Keys of a hub's config.json that the model reads. */
// biome-ignore format: a list
const KNOWN = new Set([
  'vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads', 'num_key_value_heads',
  'head_dim', 'hidden_act', 'max_position_embeddings', 'initializer_range', 'rms_norm_eps', 'rope_theta',
  'rope_scaling', 'attention_bias', 'mlp_bias', 'attention_dropout', 'tie_word_embeddings', 'pad_token_id',
  'bos_token_id', 'eos_token_id', 'pretraining_tp', 'gradient_checkpointing',
])

const NULLABLE = new Set(['rope_scaling', 'pad_token_id', 'bos_token_id', 'eos_token_id'])

/** Keys that change nothing here. */
// biome-ignore format: a list
const NEUTRAL = new Set([
  '_name_or_path', 'architectures', 'auto_map', 'dtype', 'is_llama_config', 'max_sequence_length', 'output_attentions',
  'output_hidden_states', 'return_dict', 'torch_dtype', 'torchscript', 'transformers.js_config',
  'transformers_version', 'unsloth_fixed', 'unsloth_version', 'use_cache',
])

/** Keys of what is not supported, with the values that mean "off". */
const OFF: Readonly<Record<string, readonly unknown[]>> = {
  model_type: ['llama'],
  partial_rotary_factor: [1, null],
  quantization_config: [null],
  rope_interleaved: [false],
  sliding_window: [null],
  use_sliding_window: [false],
}

/**
 * A hub's `config.json` as a configuration. Rotary positions may be said by `rope_theta` and `rope_scaling`, or as
 * transformers 5 does by `rope_parameters`. A key that is unknown here is refused, not ignored.
 */
export function llamaConfig(json: Record<string, unknown>): LlamaConfig {
  const { rope_parameters, ...plain } = json
  const stated = Object.entries({ ...plain, ...rotaryKeys(rope_parameters) })
  const refused = stated.filter(([key, value]) =>
    key in OFF ? !OFF[key]!.includes(value) : !KNOWN.has(key) && !NEUTRAL.has(key),
  )
  if (refused.length) {
    throw new ConfigError(
      'llama-config-keys',
      `Llama: config.json says ${refused.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(', ')}, which ` +
        'this model does not know; the checkpoint is of another architecture, or newer than this package.',
    )
  }
  // null says "the default" of all but a few keys
  const given = stated.filter(([key, value]) => KNOWN.has(key) && (value !== null || NULLABLE.has(key)))
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
