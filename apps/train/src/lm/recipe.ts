import { type CausalLM, crossEntropy, init, Rng, type Scalar } from '@filature/tensor'
import { AdamW, idsTensor, type TokenBatch, TokenCrops, warmupCosine } from '@filature/train'
import { type GPT2Config, GPT2LMHeadModel, NanoGPT, type NanoGPTConfig } from '@filature/transformer'
import type { Recipe } from '../run/recipe.ts'
import type { RunSettings } from '../run/train.ts'

export const tokenKinds = ['char', 'bpe'] as const
export type TokenKind = (typeof tokenKinds)[number]

export interface LmShape {
  readonly tokens: TokenKind
  /** Tokens of a learned vocabulary, at most; characters are as many as the text has. */
  readonly vocab: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly dropout: number
  /** Crops of a step, and tokens of each: the context. */
  readonly batch: number
  readonly length: number
  readonly lr: number
  readonly beta2: number
  readonly weightDecay: number
  readonly heldOut: number
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

export interface LmSettings extends RunSettings, LmShape {
  readonly command: 'lm'
  readonly texts: readonly string[]
  readonly sha256: string
}

/** config.json: keys as in Hugging Face's for GPT-2, as in nanoGPT's GPTConfig otherwise. */
export type LmConfig =
  | ({ readonly model_type: 'gpt2' } & GPT2Config)
  | ({ readonly model_type: 'nanogpt' } & NanoGPTConfig)

export function lmConfigOf(model: LmConfig['model_type'], shape: LmShape, vocabSize: number): LmConfig {
  const { width: n_embd, layers: n_layer, heads: n_head, dropout, length } = shape
  const size = { vocab_size: vocabSize, n_embd, n_layer, n_head }
  if (model === 'nanogpt') return { model_type: model, ...size, block_size: length, dropout, bias: false }
  return {
    model_type: model,
    ...size,
    n_positions: length,
    resid_pdrop: dropout,
    embd_pdrop: dropout,
    attn_pdrop: dropout,
  }
}

export function lmOf({ model_type, ...config }: LmConfig): CausalLM {
  return model_type === 'nanogpt' ? new NanoGPT(config as NanoGPTConfig) : new GPT2LMHeadModel(config as GPT2Config)
}

export interface LmRecipe extends Recipe<TokenBatch> {
  readonly model: CausalLM
}

/** nanoGPT's recipe: random crops, warm-up, half a cosine down to a tenth, decay of matrices only, gradients clipped. */
export function startLm(settings: LmSettings, config: LmConfig, tokens: Int32Array): LmRecipe {
  const { seed, batch, length, lr, beta2, weightDecay, steps } = settings
  const rng = new Rng(seed)
  const model = init(lmOf(config), rng.fork('init'))
  const vectors = { match: /\.ln_|\.bias$/, weightDecay: 0 }
  const optimizer = new AdamW(model, { lr, betas: [0.9, beta2], weightDecay }, [vectors])
  const warmupSteps = Math.min(100, Math.floor(steps / 10))
  return {
    model,
    optimizer,
    data: new TokenCrops(tokens, { batchSize: batch, length, rng: rng.fork('data') }),
    clipping: { norm: 1 },
    schedule: warmupCosine({ lr, minLr: lr / 10, warmupSteps, steps }),
    loss: ({ inputs, targets }) => crossEntropy(model.logits({ ids: idsTensor(inputs) }), idsTensor(targets)) as Scalar,
    [Symbol.dispose]() {
      model[Symbol.dispose]()
      optimizer[Symbol.dispose]()
    },
  }
}
