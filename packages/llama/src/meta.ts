import { ConfigError } from '@filature/tensor'
import type { LlamaConfig } from './config.ts'
import type { RopeScaling } from './rope-scaling.ts'

/** Meta's `params.json`. */
export interface MetaParams {
  dim: number
  n_layers: number
  n_heads: number
  n_kv_heads?: number | null
  /** -1 in LLaMA 1 and 2: the tokenizer's. */
  vocab_size: number
  /** The feed-forward width is rounded up to a multiple of this. */
  multiple_of?: number
  ffn_dim_multiplier?: number | null
  norm_eps?: number
  rope_theta?: number
  /** LLaMA 3.1 and later: frequencies stretched beyond 8192 positions. */
  use_scaled_rope?: boolean
  rope_scaling_factor?: number | null
  max_seq_len?: number
}

/** What params.json leaves to the code that reads it. */
export interface MetaModel {
  /** Wanted where params.json says -1; the rows of `tok_embeddings.weight`. */
  vocab_size?: number
  /** Positions that the model was trained for: 2048 (LLaMA 1), 4096 (2), 8192 (3), 131072 (3.1 and later). */
  max_position_embeddings?: number
  /** Whether the checkpoint has no `output.weight`. */
  tie_word_embeddings?: boolean
  /** The factor of `use_scaled_rope`: 8 in LLaMA 3.1 and 3.3, 32 in 3.2. Known for the published widths. */
  rope_scaling_factor?: number
}

const known = new Set([
  ...['dim', 'n_layers', 'n_heads', 'n_kv_heads', 'vocab_size', 'multiple_of', 'ffn_dim_multiplier', 'norm_eps'],
  ...['rope_theta', 'use_scaled_rope', 'rope_scaling_factor', 'max_seq_len', 'max_batch_size'],
])

/** Meta's `params.json` in Hugging Face's keys; a key that is not known here is refused. */
export function fromMeta(params: MetaParams, model: MetaModel = {}): LlamaConfig {
  const unknown = Object.keys(params).filter((key) => !known.has(key))
  if (unknown.length > 0) {
    throw new ConfigError(
      'llama-meta-keys',
      `Llama: params.json says ${unknown.join(', ')}, which this model does not know; it is of another architecture.`,
    )
  }
  const vocab_size = params.vocab_size > 0 ? params.vocab_size : model.vocab_size
  if (vocab_size === undefined) {
    throw new ConfigError(
      'llama-meta-vocabulary',
      `Llama: params.json leaves vocab_size ${params.vocab_size} to the tokenizer; pass { vocab_size }, ` +
        'the rows of tok_embeddings.weight.',
    )
  }
  const scaling = scalingOf(params, model)
  return {
    vocab_size,
    hidden_size: params.dim,
    intermediate_size: feedForwardWidth(params),
    num_hidden_layers: params.n_layers,
    num_attention_heads: params.n_heads,
    num_key_value_heads: params.n_kv_heads ?? params.n_heads,
    rms_norm_eps: params.norm_eps ?? 1e-5,
    rope_theta: params.rope_theta ?? 10000,
    max_position_embeddings: model.max_position_embeddings ?? params.max_seq_len ?? (scaling ? 131072 : 2048),
    tie_word_embeddings: model.tie_word_embeddings ?? false,
    ...(scaling ? { rope_scaling: scaling } : {}),
  }
}

/** Two thirds of four widths, times the multiplier, rounded up to the multiple. */
export function feedForwardWidth({
  dim,
  multiple_of = 256,
  ffn_dim_multiplier,
}: Pick<MetaParams, 'dim' | 'multiple_of' | 'ffn_dim_multiplier'>): number {
  const gated = Math.floor((2 * 4 * dim) / 3)
  const stretched = ffn_dim_multiplier ? Math.floor(ffn_dim_multiplier * gated) : gated
  return multiple_of * Math.ceil(stretched / multiple_of)
}

/** Factors of the published models, by their widths: 1B and 3B are of LLaMA 3.2, the others of 3.1 and 3.3. */
const publishedFactors: ReadonlyMap<number, number> = new Map([
  [2048, 32],
  [3072, 32],
  [4096, 8],
  [8192, 8],
  [16384, 8],
])

function scalingOf(params: MetaParams, model: MetaModel): RopeScaling | undefined {
  if (!params.use_scaled_rope) return undefined
  const factor = model.rope_scaling_factor ?? params.rope_scaling_factor ?? publishedFactors.get(params.dim)
  if (factor === undefined) {
    throw new ConfigError(
      'llama-meta-rope',
      `Llama: params.json says use_scaled_rope, but not by how much, and no published model has the width ${params.dim}; ` +
        'pass { rope_scaling_factor }, 8 for LLaMA 3.1 and 3.3, 32 for 3.2.',
    )
  }
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  }
}
