import { activationNamed, configFrom } from '@filature/tensor'
import { mustDivide } from './must-divide.ts'

/** Keys as in Hugging Face's `config.json`. */
export interface GPT2Config {
  vocab_size: number
  n_embd: number
  n_layer: number
  n_head: number
  n_positions?: number
  /** Width of the feed-forward layer; 4 n_embd by default. */
  n_inner?: number | null
  activation_function?: string
  resid_pdrop?: number
  embd_pdrop?: number
  attn_pdrop?: number
  layer_norm_epsilon?: number
  initializer_range?: number
  /** Whether scores are divided by sqrt(D). */
  scale_attn_weights?: boolean
  /** Whether the scores of block i are divided by i + 1 as well. */
  scale_attn_by_inverse_layer_idx?: boolean
  tie_word_embeddings?: boolean
  /** Compute each block again on the way back instead of keeping its activations. */
  gradient_checkpointing?: boolean
}

export type GPT2Options = Omit<Required<GPT2Config>, 'n_inner'> & { n_inner: number }

/** Fills in the defaults and refuses what cannot be built. */
export function completeGPT2(config: GPT2Config): GPT2Options {
  const options = {
    n_positions: 1024,
    activation_function: 'gelu_new',
    resid_pdrop: 0.1,
    embd_pdrop: 0.1,
    attn_pdrop: 0.1,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    tie_word_embeddings: true,
    gradient_checkpointing: false,
    ...config,
    n_inner: config.n_inner ?? 4 * config.n_embd,
  }
  mustDivide('GPT2', options, 'n_embd', 'n_head')
  activationNamed(options.activation_function)
  return options
}

/** A hub's `config.json` as a configuration; a key that is unknown here is refused, not ignored. */
export function gpt2Config(json: Record<string, unknown>): GPT2Config {
  const config = configFrom<GPT2Config>(
    {
      who: 'GPT2',
      // biome-ignore format: a list
      known: [
        'vocab_size', 'n_embd', 'n_layer', 'n_head', 'n_positions', 'n_inner', 'activation_function', 'resid_pdrop',
        'embd_pdrop', 'attn_pdrop', 'layer_norm_epsilon', 'initializer_range', 'scale_attn_weights',
        'scale_attn_by_inverse_layer_idx', 'tie_word_embeddings', 'gradient_checkpointing',
      ],
      // biome-ignore format: a list
      neutral: [
        'n_ctx', 'reorder_and_upcast_attn', 'summary_activation', 'summary_first_dropout', 'summary_hidden_size',
        'summary_proj_to_labels', 'summary_type', 'summary_use_proj',
      ],
      off: {
        model_type: ['gpt2'],
        add_cross_attention: [false],
        is_decoder: [true, false],
        is_encoder_decoder: [false],
      },
    },
    json,
  )
  completeGPT2(config)
  return config
}

const openai = { vocab_size: 50257, n_positions: 1024 }

/** Configurations by their published names. */
export const gpt2Presets = {
  gpt2: { ...openai, n_embd: 768, n_layer: 12, n_head: 12 },
  'gpt2-medium': { ...openai, n_embd: 1024, n_layer: 24, n_head: 16 },
  'gpt2-large': { ...openai, n_embd: 1280, n_layer: 36, n_head: 20 },
  'gpt2-xl': { ...openai, n_embd: 1600, n_layer: 48, n_head: 25 },
  distilgpt2: { ...openai, n_embd: 768, n_layer: 6, n_head: 12 },
} as const satisfies Record<string, GPT2Config>
