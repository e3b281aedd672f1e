import { Dialect, ignored, permutedRows, type Rule, rename } from '@filature/tensor'
import { complete, type LlamaConfig } from './config.ts'
import { feedForwardWidth } from './meta.ts'

// Meta's weights turn the feature pairs (2i, 2i + 1); Hugging Face's turn (i, i + D/2). The rows of the query and key
// projections differ by that order within each head.

const unpaired = (D: number) => (rows: number) =>
  Int32Array.from({ length: rows }, (_, row) => {
    const j = row % D
    return row - j + (j < D / 2 ? 2 * j : 2 * (j - D / 2) + 1)
  })

const queriesAndKeys = (config: LlamaConfig): Rule =>
  permutedRows(/self_attn\.[qk]_proj\.(weight|bias)$/, unpaired(complete(config).head_dim))

const metaNames: Rule[] = [
  rename('tok_embeddings', 'model.embed_tokens'),
  rename('layers.{}.attention.wq', 'model.layers.{}.self_attn.q_proj'),
  rename('layers.{}.attention.wk', 'model.layers.{}.self_attn.k_proj'),
  rename('layers.{}.attention.wv', 'model.layers.{}.self_attn.v_proj'),
  rename('layers.{}.attention.wo', 'model.layers.{}.self_attn.o_proj'),
  rename('layers.{}.feed_forward.w1', 'model.layers.{}.mlp.gate_proj'),
  rename('layers.{}.feed_forward.w2', 'model.layers.{}.mlp.down_proj'),
  rename('layers.{}.feed_forward.w3', 'model.layers.{}.mlp.up_proj'),
  rename('layers.{}.attention_norm', 'model.layers.{}.input_layernorm'),
  rename('layers.{}.ffn_norm', 'model.layers.{}.post_attention_layernorm'),
  rename('norm', 'model.norm'),
  rename('output', 'lm_head'),
]

/** Meta's own checkpoints (`consolidated.00.pth`, ...), and llama2.c's `.pt` and `.bin` files. */
export const metaDialect = (config: LlamaConfig): Dialect =>
  new Dialect('meta', [
    ignored(/(^|\.)(rope\.freqs|attention\.mask|freqs_cos|freqs_sin)$/),
    ...metaNames,
    queriesAndKeys(config),
  ])

/** GGUF files of the `llama` architecture. Their `rope_freqs.weight` is left out if the configuration has its scaling. */
export const ggufDialect = (config: LlamaConfig): Dialect =>
  new Dialect('gguf', [
    ...(config.rope_scaling ? [ignored(/^rope_freqs\.weight$/)] : []),
    rename('token_embd', 'model.embed_tokens'),
    rename('blk.{}.attn_q', 'model.layers.{}.self_attn.q_proj'),
    rename('blk.{}.attn_k', 'model.layers.{}.self_attn.k_proj'),
    rename('blk.{}.attn_v', 'model.layers.{}.self_attn.v_proj'),
    rename('blk.{}.attn_output', 'model.layers.{}.self_attn.o_proj'),
    rename('blk.{}.ffn_gate', 'model.layers.{}.mlp.gate_proj'),
    rename('blk.{}.ffn_down', 'model.layers.{}.mlp.down_proj'),
    rename('blk.{}.ffn_up', 'model.layers.{}.mlp.up_proj'),
    rename('blk.{}.attn_norm', 'model.layers.{}.input_layernorm'),
    rename('blk.{}.ffn_norm', 'model.layers.{}.post_attention_layernorm'),
    rename('output_norm', 'model.norm'),
    rename('output', 'lm_head'),
    queriesAndKeys(config),
  ])

/** The arguments of llama2.c's `Transformer`, as a `.pt` stores them, or the header of a `.bin`. */
export interface Llama2cConfig {
  dim: number
  n_layers: number
  n_heads: number
  n_kv_heads?: number | null
  vocab_size: number
  hidden_dim?: number | null
  multiple_of?: number
  norm_eps?: number
  max_seq_len?: number
  /** What a .bin says of its head; in training it is always the embedding. */
  shared_classifier?: boolean
}

/** The same model in Hugging Face's keys. */
export function fromLlama2c(c: Llama2cConfig): LlamaConfig {
  return {
    vocab_size: c.vocab_size,
    hidden_size: c.dim,
    intermediate_size: c.hidden_dim ?? feedForwardWidth(c),
    num_hidden_layers: c.n_layers,
    num_attention_heads: c.n_heads,
    num_key_value_heads: c.n_kv_heads ?? c.n_heads,
    rms_norm_eps: c.norm_eps ?? 1e-5,
    max_position_embeddings: c.max_seq_len ?? 2048,
    tie_word_embeddings: c.shared_classifier ?? true,
  }
}
