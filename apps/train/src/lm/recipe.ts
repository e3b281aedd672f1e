import type { CausalLM } from '@filature/tensor'
import { type GPT2Config, GPT2LMHeadModel, NanoGPT, type NanoGPTConfig } from '@filature/transformer'
import { startOnText, type TextRecipe, type TextSettings, type TextShape } from '../text/recipe.ts'
import type { TokenKind } from '../text/tokens.ts'

export interface LmShape extends TextShape {
  readonly tokens: TokenKind
  readonly beta2: number
}

export const usualShape: LmShape = {
  tokens: 'bpe',
  vocab: 1024,
  width: 128,
  layers: 4,
  heads: 4,
  dropout: 0,
  batch: 16,
  length: 128,
  lr: 1e-3,
  beta2: 0.95,
  weightDecay: 0.1,
  heldOut: 0.05,
}

/** Settings by name; each says what differs from the usual ones. `nanogpt-char`: nanoGPT's train_shakespeare_char. */
export const presets = {
  'nanogpt-char': {
    model: 'nanogpt',
    shape: {
      tokens: 'char',
      layers: 6,
      width: 384,
      heads: 6,
      length: 256,
      batch: 64,
      dropout: 0.2,
      beta2: 0.99,
      heldOut: 0.1,
    },
  },
} as const satisfies Record<string, { model: LmConfig['model_type']; shape: Partial<LmShape> }>

export interface LmSettings extends TextSettings, LmShape {
  readonly command: 'lm'
}

/** config.json: keys as in Hugging Face's for GPT-2, as in nanoGPT's GPTConfig otherwise. */
export type LmConfig =
  | ({
      readonly model_type: 'gpt2'
      readonly bos_token_id: number | null
      readonly eos_token_id: number | null
    } & GPT2Config)
  | ({ readonly model_type: 'nanogpt' } & NanoGPTConfig)

export function lmConfigOf(model: LmConfig['model_type'], shape: LmShape, vocabSize: number): LmConfig {
  const { width: n_embd, layers: n_layer, heads: n_head, dropout, length } = shape
  const size = { vocab_size: vocabSize, n_embd, n_layer, n_head }
  if (model === 'nanogpt') return { model_type: model, ...size, block_size: length, dropout, bias: false }
  // A learned vocabulary begins with the end of a text; characters have none, and Hugging Face's default is beyond them.
  const end = shape.tokens === 'bpe' ? 0 : null
  return {
    model_type: model,
    ...size,
    n_positions: length,
    resid_pdrop: dropout,
    embd_pdrop: dropout,
    attn_pdrop: dropout,
    bos_token_id: end,
    eos_token_id: end,
  }
}

export function lmOf({ model_type, ...config }: LmConfig): CausalLM {
  return model_type === 'nanogpt' ? new NanoGPT(config as NanoGPTConfig) : new GPT2LMHeadModel(config as GPT2Config)
}

export const startLm = (settings: LmSettings, config: LmConfig, tokens: Int32Array): TextRecipe =>
  startOnText(lmOf(config), settings, tokens, { beta2: settings.beta2, undecayed: /\.ln_|\.bias$/ })
