import { Llama, type LlamaConfig } from '@filature/llama'
import { MiniGPT4, type MiniGPT4Parts, type TextCodec } from '@filature/minigpt4'
import { QFormer, type QFormerConfig } from '@filature/qformer'
import { init, Rng, tensor, tidy } from '@filature/tensor'
import { HuggingFaceTokenizer, type Tokenizer, type TokenizerJson, trainBpe } from '@filature/tokenizers'
import { AdamW, warmupCosine } from '@filature/train'
import { EvaViT, type EvaViTConfig } from '@filature/vision'
import type { Recipe } from '../run/recipe.ts'
import type { RunSettings } from '../run/train.ts'
import { type CaptionBatch, CaptionBatches } from './batches.ts'
import { type Drawings, type Emoji, SIDE } from './emoji.ts'
import { CaptionLearner, wordsOf } from './learner.ts'

export interface CaptionShape {
  readonly vocab: number
  readonly patch: number
  readonly visionWidth: number
  readonly visionDepth: number
  readonly queries: number
  readonly width: number
  readonly layers: number
  readonly batch: number
  readonly lr: number
  readonly weightDecay: number
}

export const usualShape: CaptionShape = {
  vocab: 1024,
  patch: 16,
  visionWidth: 128,
  visionDepth: 4,
  queries: 8,
  width: 128,
  layers: 2,
  batch: 32,
  lr: 1.5e-3,
  weightDecay: 0.05,
}

export interface CaptionSettings extends RunSettings, CaptionShape {
  readonly command: 'caption'
  readonly data: string
  /** SHA-256 of the emoji and of the drawings that are learned from. */
  readonly sha256: string
}

/** What config.json says of the whole model. */
export interface CaptionConfig {
  readonly model_type: 'minigpt4'
  readonly vision: EvaViTConfig
  readonly qformer: QFormerConfig
  readonly llama: LlamaConfig
  /** Asks for the name of what is in the picture. */
  readonly prompt: string
  /** Asks for its kind. */
  readonly kind_prompt: string
  /** Ends every answer. */
  readonly end_symbol: string
}

const [PAD, BOS, EOS] = ['<pad>', '<s>', '</s>'] as const

/** About as wide as 32, and of even width, as rotary positions want it. */
function heads(C: number): number {
  let H = Math.max(1, Math.floor(C / 32))
  while (H > 1 && C % (2 * H) !== 0) H--
  return H
}

export function captionConfig(shape: CaptionShape, vocabSize: number): CaptionConfig {
  const { patch, visionWidth, visionDepth, queries, width, layers } = shape
  // The published models' 0.02 is made for widths of 768 and more. At 128 it leaves nothing of the picture: what a
  // layer adds to its residual stream shrinks by 0.02 sqrt(C) with each matrix.
  const deviation = (C: number) => 1 / Math.sqrt(C)
  return {
    model_type: 'minigpt4',
    vision: {
      img_size: SIDE,
      patch_size: patch,
      embed_dim: visionWidth,
      depth: visionDepth,
      num_heads: heads(visionWidth),
      mlp_ratio: 2,
      qkv_bias: true,
      use_shared_rel_pos_bias: true,
      drop_path_rate: 0,
      init_std: deviation(visionWidth),
    },
    qformer: {
      hidden_size: width,
      num_hidden_layers: 2,
      num_attention_heads: heads(width),
      intermediate_size: 2 * width,
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
      initializer_range: deviation(width),
      cross_attention_freq: 1,
      encoder_width: visionWidth,
      query_length: queries,
      text_branch: false,
    },
    llama: {
      vocab_size: vocabSize,
      hidden_size: width,
      intermediate_size: 3 * width,
      num_hidden_layers: layers,
      num_attention_heads: heads(width),
      max_position_embeddings: 128,
      initializer_range: deviation(width),
      bos_token_id: 1,
      eos_token_id: 2,
    },
    prompt: '<Img><ImageHere></Img>[name]',
    kind_prompt: '<Img><ImageHere></Img>[kind]',
    end_symbol: EOS,
  }
}

/** Byte-level BPE of the answers to learn; the picture's brackets and the questions are tokens of their own. */
export const learnTokenizer = (emoji: readonly Emoji[], vocabSize: number): TokenizerJson =>
  trainBpe(
    emoji.flatMap(({ name, kind }) => [name, kind]),
    { vocabSize, specialTokens: [PAD, BOS, EOS, '<Img>', '</Img>', '[name]', '[kind]'] },
  )

export const tokenizerConfig = { bos_token: BOS, eos_token: EOS, pad_token: PAD, clean_up_tokenization_spaces: false }

export const openTokenizer = (json: TokenizerJson): Tokenizer => new HuggingFaceTokenizer(json, tokenizerConfig)

export function codecOf(tokenizer: Tokenizer): TextCodec {
  const { bos, eos, pad } = tokenizer.special
  return {
    encode: (text) => tokenizer.encode(text, { addSpecialTokens: false }).ids,
    decode: (ids) => tokenizer.decode(ids, { skipSpecialTokens: true }),
    bosId: bos!,
    bosToken: BOS,
    eosId: eos!,
    padId: pad!,
  }
}

const partsOf = ({ vision, qformer, llama }: CaptionConfig, tokenizer: Tokenizer): MiniGPT4Parts => ({
  vision: new EvaViT(vision),
  qformer: new QFormer(qformer),
  llama: new Llama(llama),
  codec: codecOf(tokenizer),
})

/** The model as it is saved. */
export const describeModel = (config: CaptionConfig, tokenizer: Tokenizer): MiniGPT4 =>
  new MiniGPT4(partsOf(config, tokenizer), { endSymbol: config.end_symbol })

/**
 * Begins the patches' positions as sines and cosines of row and column (He et al. 2022, MAE), as large as the patches
 * themselves: drawn at random, they would be lost beside them, and attention could not tell where things are.
 */
function placePatches({ pos_embed, grid, numFeatures: C }: EvaViT): void {
  const K = Math.floor(C / 4)
  const [rows, columns] = grid
  const positions = new Float32Array((1 + rows * columns) * C) // none for the class token
  for (let p = 0; p < rows * columns; p++) {
    const [y, x] = [Math.floor(p / columns), p % columns]
    for (let k = 0; k < K; k++) {
      const frequency = (Math.PI / 2) * Math.max(rows, columns) ** (-k / K)
      const waves = [Math.sin(x * frequency), Math.cos(x * frequency), Math.sin(y * frequency), Math.cos(y * frequency)]
      for (const [i, wave] of waves.entries()) positions[(1 + p) * C + i * K + k] = wave
    }
  }
  tidy(() => pos_embed!.assign(tensor(positions, pos_embed!.shape)))
}

export interface CaptionRecipe extends Recipe<CaptionBatch> {
  readonly model: CaptionLearner
}

/** Everything is trained at once, from scratch. */
export function startCaption(
  settings: CaptionSettings,
  config: CaptionConfig,
  tokenizer: Tokenizer,
  drawings: Drawings,
): CaptionRecipe {
  const { seed, batch, lr, weightDecay, steps } = settings
  const rng = new Rng(seed)
  const options = { endSymbol: config.end_symbol }
  const model = init(new CaptionLearner(partsOf(config, tokenizer), options, wordsOf(drawings.emoji)), rng.fork('init'))
  placePatches(model.visual_encoder)
  const undecayed = { match: /bias|norm|pos_embed|cls_token|query_tokens|embed_tokens/i, weightDecay: 0 }
  const optimizer = new AdamW(model, { lr, betas: [0.9, 0.98], weightDecay }, [undecayed])
  const warmupSteps = Math.min(200, Math.floor(steps / 10))
  const questions = { name: config.prompt, kind: config.kind_prompt }
  return {
    model,
    optimizer,
    data: new CaptionBatches(drawings, questions, { batchSize: batch, rng: rng.fork('data') }),
    clipping: { norm: 1 },
    schedule: warmupCosine({ lr, minLr: lr / 50, warmupSteps, steps }),
    loss: (it) => model.learningLoss(it),
    [Symbol.dispose]() {
      model[Symbol.dispose]()
      optimizer[Symbol.dispose]()
    },
  }
}
