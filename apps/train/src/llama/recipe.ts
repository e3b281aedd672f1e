import { Llama, type LlamaConfig } from '@filature/llama'
import { startOnText, type TextRecipe, type TextSettings, type TextShape } from '../text/recipe.ts'

export interface LlamaShape extends TextShape {
  /** Groups of keys and values. */
  readonly groups: number
  readonly memory: number
}

export const usualShape: LlamaShape = {
  vocab: 1024,
  width: 128,
  layers: 4,
  heads: 4,
  groups: 2,
  memory: 344,
  dropout: 0,
  batch: 16,
  length: 128,
  lr: 2e-3,
  weightDecay: 0.1,
  heldOut: 0.05,
}

export interface LlamaSettings extends TextSettings, LlamaShape {
  readonly command: 'llama'
}

/** Keys as in Hugging Face's config.json; id 0 is the token at both ends of a text. */
export function llamaConfigOf(shape: LlamaShape, vocabSize: number): LlamaConfig {
  return {
    vocab_size: vocabSize,
    hidden_size: shape.width,
    intermediate_size: shape.memory,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.groups,
    hidden_act: 'silu',
    max_position_embeddings: shape.length,
    initializer_range: 0.02,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    attention_dropout: shape.dropout,
    tie_word_embeddings: true,
    bos_token_id: 0,
    eos_token_id: 0,
  }
}

export const startLlama = (settings: LlamaSettings, config: LlamaConfig, tokens: Int32Array): TextRecipe =>
  startOnText(new Llama(config), settings, tokens, { beta2: 0.95, undecayed: /norm/ })
