import { ConfigError, type ConfigKeys, configFrom } from '@filature/tensor'
import type { Size } from './grid.ts'

/** Keys as in the `config.json` of Hugging Face's ViT checkpoints. */
export interface HuggingFaceViTConfig {
  hidden_size?: number
  num_hidden_layers?: number
  num_attention_heads?: number
  intermediate_size?: number
  hidden_act?: string
  hidden_dropout_prob?: number
  attention_probs_dropout_prob?: number
  initializer_range?: number
  layer_norm_eps?: number
  image_size?: Size
  patch_size?: Size
  num_channels?: number
  qkv_bias?: boolean
  /** Build the pooler (dense layer and tanh on the class token). */
  add_pooling_layer?: boolean
  /** Classes of the classification model; the length of id2label by default. */
  num_labels?: number
  id2label?: Record<string, string>
}

export type Options = Required<Omit<HuggingFaceViTConfig, 'num_labels' | 'id2label'>>

const vitBase: Options = {
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
  image_size: 224,
  patch_size: 16,
  num_channels: 3,
  qkv_bias: true,
  add_pooling_layer: false,
}

/** Fills in ViT base's values and refuses what cannot be built. */
export function complete(config: HuggingFaceViTConfig): Options {
  const o = { ...vitBase, ...config }
  if (o.hidden_size % o.num_attention_heads !== 0) {
    throw new ConfigError(
      'vit-heads',
      `ViT: hidden_size ${o.hidden_size} must divide by num_attention_heads ${o.num_attention_heads}; check config.json.`,
    )
  }
  return o
}

const KEYS: ConfigKeys = {
  who: 'ViT',
  known: [...Object.keys(vitBase), 'num_labels', 'id2label'],
  // the stride is that of masked image modelling
  neutral: ['encoder_stride', 'auto_map'],
  off: { model_type: ['vit'], pooler_act: ['tanh'], pooler_output_size: [null] },
}

/** Classes of a classifier whose config.json names none: transformers leaves its default out. */
const unnamed = ({ architectures, num_labels, id2label }: Record<string, unknown>) =>
  Array.isArray(architectures) && architectures.includes('ViTForImageClassification') && !(num_labels ?? id2label)
    ? { num_labels: 2 }
    : {}

/** A hub's `config.json` as a configuration; a key that is unknown here is refused, not ignored. */
export function vitConfig({ pooler_output_size: pooled, ...json }: Record<string, unknown>): HuggingFaceViTConfig {
  const widened = pooled !== json.hidden_size && pooled !== undefined ? { pooler_output_size: pooled } : {}
  const config = configFrom<HuggingFaceViTConfig>(KEYS, { ...json, ...widened, ...unnamed(json) })
  complete(config)
  return config
}
