import { ConfigError, type Tensor } from '@filature/tensor'

type Activation = <T extends Tensor>(x: T) => T

/** BERT's configuration, and what the Q-Former adds to it. Keys as in `config.json`. */
export interface QFormerConfig {
  vocab_size?: number
  hidden_size?: number
  num_hidden_layers?: number
  num_attention_heads?: number
  intermediate_size?: number
  /** A name of Hugging Face's, or the function itself. */
  hidden_act?: string | Activation
  hidden_dropout_prob?: number
  attention_probs_dropout_prob?: number
  max_position_embeddings?: number
  initializer_range?: number
  layer_norm_eps?: number
  pad_token_id?: number
  position_embedding_type?: 'absolute' | 'relative_key' | 'relative_key_query'
  add_cross_attention?: boolean
  /** Every n-th layer, from the first, looks at the encoder. */
  cross_attention_freq?: number
  /** Width of the encoder's states. */
  encoder_width?: number
  /** Number of query tokens; cached decoding counts text positions from behind them. */
  query_length?: number
  /** Rows of a feed-forward layer computed at a time; 0 for all. Must divide the sequence. */
  chunk_size_feed_forward?: number
  /** Compute each layer again on the way back instead of keeping its activations. */
  gradient_checkpointing?: boolean
  /** By layer, the self-attention heads left out, counted among the original ones. */
  pruned_heads?: Record<number, number[]>
  /** Whether there is a text branch: word and position embeddings, and feed-forward layers for text. */
  text_branch?: boolean
  add_pooling_layer?: boolean
}

export type Options = Required<QFormerConfig>

const bertBase: Options = {
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  max_position_embeddings: 512,
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
  position_embedding_type: 'absolute',
  add_cross_attention: true,
  cross_attention_freq: 2,
  encoder_width: 1408,
  query_length: 32,
  chunk_size_feed_forward: 0,
  gradient_checkpointing: false,
  pruned_heads: {},
  text_branch: true,
  add_pooling_layer: false,
}

/** Q-Former base of BLIP-2 and MiniGPT-4: BERT base, 32 queries, an EVA-ViT-g to look at. */
export const qformerBase: Readonly<QFormerConfig> = bertBase

/** Sizes, and the least that each can be. */
const whole = {
  vocab_size: 0,
  hidden_size: 1,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  intermediate_size: 1,
  max_position_embeddings: 1,
  cross_attention_freq: 1,
  encoder_width: 1,
  query_length: 0,
  chunk_size_feed_forward: 0,
} as const

/** Fills in BERT base's values and refuses what cannot be built. */
export function complete(config: QFormerConfig): Options {
  const o = { ...bertBase, ...config }
  for (const [key, least] of Object.entries(whole) as [keyof typeof whole, number][]) {
    if (!Number.isInteger(o[key]) || o[key] < least) {
      throw new ConfigError(
        'qformer-size',
        `QFormer: wanted ${key} as a whole number from ${least}, got ${o[key]}; check config.json.`,
      )
    }
  }
  if (o.hidden_size % o.num_attention_heads !== 0) {
    throw new ConfigError(
      'qformer-heads',
      `QFormer: hidden_size ${o.hidden_size} must divide by num_attention_heads ${o.num_attention_heads}; check config.json.`,
    )
  }
  if (!['absolute', 'relative_key', 'relative_key_query'].includes(o.position_embedding_type)) {
    throw new ConfigError(
      'qformer-positions',
      `QFormer: wanted position_embedding_type absolute, relative_key or relative_key_query, got '${o.position_embedding_type}'.`,
    )
  }
  if (o.text_branch && !(o.pad_token_id >= 0 && o.pad_token_id < o.vocab_size)) {
    throw new ConfigError(
      'qformer-vocabulary',
      `QFormer: pad_token_id ${o.pad_token_id} must lie in the vocabulary, vocab_size ${o.vocab_size}.`,
    )
  }
  const pruned_heads: Record<number, number[]> = {}
  for (const [layer, given] of Object.entries(o.pruned_heads)) {
    const heads = [...new Set(given)].sort((a, b) => a - b)
    const unknown = heads.some((head) => !(Number.isInteger(head) && head >= 0 && head < o.num_attention_heads))
    const isLayer = /^\d+$/.test(layer) && Number(layer) < o.num_hidden_layers
    if (!isLayer || unknown || heads.length === o.num_attention_heads) {
      throw new ConfigError(
        'qformer-pruned',
        `QFormer: pruned_heads names heads ${heads} of layer ${layer}; there are ${o.num_hidden_layers} layers of ` +
          `${o.num_attention_heads} heads, of which at least one head must stay.`,
      )
    }
    pruned_heads[Number(layer)] = heads
  }
  return { ...o, pruned_heads }
}
