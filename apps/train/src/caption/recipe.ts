import { Llama, type LlamaConfig } from '@filature/llama'
import { MiniGPT4, type TextCodec } from '@filature/minigpt4'
import { QFormer, type QFormerConfig } from '@filature/qformer'
import { init, Rng } from '@filature/tensor'
import { HuggingFaceTokenizer, type Tokenizer, type TokenizerJson, trainBpe } from '@filature/tokenizers'
import { AdamW, warmupCosine } from '@filature/train'
import { EvaViT, type EvaViTConfig } from '@filature/vision'
import type { Recipe } from '../run/recipe.ts'
import type { RunSettings } from '../run/train.ts'
import { type CaptionBatch, CaptionBatches, imageTensor } from './batches.ts'
import { type Drawings, SIDE } from './emoji.ts'

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
  vocab: 768,
  patch: 8,
  visionWidth: 96,
  visionDepth: 4,
  queries: 8,
  width: 96,
  layers: 3,
  batch: 32,
  lr: 1e-3,
  weightDecay: 0.05,
}

export interface CaptionSettings extends RunSettings, CaptionShape {
  readonly command: 'caption'
  readonly data: string
}

/** What config.json says of the whole model. */
export interface CaptionConfig {
  readonly model_type: 'minigpt4'
  readonly vision: EvaViTConfig
  readonly qformer: QFormerConfig
  readonly llama: LlamaConfig
  /** The prompt that the model was trained with, the picture's place in it. */
  readonly prompt: string
  /** Ends every answer. */
  readonly end_symbol: string
}

const [PAD, BOS, EOS] = ['<pad>', '<s>', '</s>'] as const

export function captionConfig(shape: CaptionShape, vocabSize: number): CaptionConfig {
  const { patch, visionWidth, visionDepth, queries, width, layers } = shape
  const heads = (C: number) => Math.max(1, Math.floor(C / 24))
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
      drop_path_rate: 0.1,
    },
    qformer: {
      hidden_size: width,
      num_hidden_layers: 2,
      num_attention_heads: heads(width),
      intermediate_size: 2 * width,
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
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
      max_position_embeddings: 64,
      bos_token_id: 1,
      eos_token_id: 2,
    },
    prompt: '<Img><ImageHere></Img>',
    end_symbol: EOS,
  }
}

/** Byte-level BPE of the names to learn from; the picture's brackets are tokens of their own. */
export const learnTokenizer = (names: readonly string[], vocabSize: number): TokenizerJson =>
  trainBpe(names, { vocabSize, specialTokens: [PAD, BOS, EOS, '<Img>', '</Img>'] })

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

export function describeModel({ vision, qformer, llama, end_symbol }: CaptionConfig, tokenizer: Tokenizer): MiniGPT4 {
  const parts = { vision: new EvaViT(vision), qformer: new QFormer(qformer), llama: new Llama(llama) }
  return new MiniGPT4({ ...parts, codec: codecOf(tokenizer) }, { endSymbol: end_symbol })
}

export interface CaptionRecipe extends Recipe<CaptionBatch> {
  readonly model: MiniGPT4
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
  const model = init(describeModel(config, tokenizer), rng.fork('init'))
  const undecayed = { match: /bias|norm|pos_embed|cls_token|query_tokens|embed_tokens/i, weightDecay: 0 }
  const optimizer = new AdamW(model, { lr, betas: [0.9, 0.98], weightDecay }, [undecayed])
  const warmupSteps = Math.min(200, Math.floor(steps / 10))
  return {
    model,
    optimizer,
    data: new CaptionBatches(drawings, { batchSize: batch, rng: rng.fork('data') }),
    clipping: { norm: 1 },
    schedule: warmupCosine({ lr, minLr: lr / 50, warmupSteps, steps }),
    loss: (it) => model.loss(samplesOf(it, config)),
    [Symbol.dispose]() {
      model[Symbol.dispose]()
      optimizer[Symbol.dispose]()
    },
  }
}

export const samplesOf = (batch: CaptionBatch, { prompt }: CaptionConfig) => ({
  image: imageTensor(batch),
  instruction_input: batch.names.map(() => prompt),
  answer: batch.names,
})
