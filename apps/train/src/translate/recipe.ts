import { flagOf } from '@filature/command-line'
import type { AttentionKind } from '@filature/recurrent'
import { ConfigError, init, Rng } from '@filature/tensor'
import { AdamW, warmupCosine } from '@filature/train'
import type { Recipe } from '../run/recipe.ts'
import type { RunSettings } from '../run/train.ts'
import { BucketedPairs, type EncodedPair, type PairBatch } from './batches.ts'
import { special, type Translator, type TranslatorConfig, translatorOf } from './translator.ts'

export interface TranslateShape {
  readonly model: 'gru' | 'lstm' | 'transformer'
  /** Of gru and lstm. */
  readonly attention: AttentionKind
  readonly inputFeeding: boolean
  /** Of the transformer. */
  readonly positions: 'sinusoidal' | 'learned'
  readonly heads: number
  readonly width: number
  readonly embedding: number
  readonly layers: number
  readonly vocab: number
  readonly dropout: number
  readonly labelSmoothing: number
  readonly batch: number
  readonly lr: number
}

const common = { dropout: 0.35, labelSmoothing: 0.1, batch: 32, vocab: 3000, width: 256 }
const recurrentShape = {
  ...common,
  attention: 'general',
  inputFeeding: false,
  embedding: 256,
  layers: 1,
  lr: 2e-3,
} as const
const transformerShape = { ...common, positions: 'sinusoidal', heads: 4, layers: 3, lr: 1.5e-3 } as const
/** Options of one model that the other has no use for. */
const foreign = { recurrent: ['positions', 'heads'], transformer: ['attention', 'inputFeeding', 'embedding'] } as const

/** What each setting is when nothing is said, for the help. */
export const usualInWords = Object.fromEntries(
  Object.entries({ model: 'gru', ...transformerShape, ...recurrentShape }).map(([key, value]) => {
    const other = (transformerShape as Partial<TranslateShape>)[key as keyof TranslateShape]
    return [key, other === undefined || other === value ? `${value}` : `${value}, of the transformer ${other}`]
  }),
) as Record<keyof TranslateShape, string>

/** The usual shape of a model with what was asked for; an option that the model has no use for is refused. */
export function shapeOf(given: Partial<TranslateShape>): TranslateShape {
  const model = given.model ?? 'gru'
  const kind = model === 'transformer' ? 'transformer' : 'recurrent'
  for (const key of foreign[kind]) {
    if (given[key] === undefined) continue
    throw new ConfigError('translate-option', `${flagOf(key)}: --model ${model} has no use for it.`)
  }
  if (given.inputFeeding && (given.attention === 'none' || given.attention === 'additive')) {
    throw new ConfigError('translate-option', `--input-feeding: --attention ${given.attention} has no use for it.`)
  }
  const usual = { ...transformerShape, ...recurrentShape, ...(kind === 'transformer' ? transformerShape : {}), model }
  const said = Object.entries(given).filter(([key, value]) => key in usual && value !== undefined)
  return { ...usual, ...Object.fromEntries(said) }
}

export interface TranslateSettings extends RunSettings, TranslateShape {
  readonly command: 'translate'
  readonly data: string
  readonly sha256: string
  readonly reverse: boolean
  readonly maxWords: number
  /** Pairs held out to test, and as many to validate. */
  readonly test: number
  readonly beams: number
}

/** @param longest tokens of the longest sentence on either side */
export function configOf(shape: TranslateShape, vocabulary: number, longest: number): TranslatorConfig {
  const { dropout, labelSmoothing: label_smoothing, width, layers } = shape
  const both = { src_vocab: vocabulary, tgt_vocab: vocabulary, pad_token_id: special.pad, dropout, label_smoothing }
  if (shape.model === 'transformer') {
    return {
      model_type: 'seq2seq_transformer',
      ...both,
      d_model: width,
      nhead: shape.heads,
      num_encoder_layers: layers,
      num_decoder_layers: layers,
      dim_feedforward: 4 * width,
      norm_first: true,
      positions: shape.positions,
      // translations may become twice as long as what they translate
      ...(shape.positions === 'learned' ? { max_positions: 2 * longest + 8 } : {}),
    }
  }
  const { attention, inputFeeding, embedding, model } = shape
  const feeds = attention !== 'none' && attention !== 'additive'
  return {
    model_type: 'recurrent_seq2seq',
    ...both,
    cell: model,
    attention,
    ...(feeds ? { input_feeding: inputFeeding } : {}),
    embedding_size: embedding,
    hidden_size: width,
    num_layers: layers,
  }
}

export interface TranslateRecipe extends Recipe<PairBatch> {
  readonly translator: Translator
  readonly data: BucketedPairs
}

export function startTranslate(
  settings: TranslateSettings,
  config: TranslatorConfig,
  pairs: readonly EncodedPair[],
): TranslateRecipe {
  const { seed, batch, lr } = settings
  const steps = Math.max(2, settings.steps)
  const rng = new Rng(seed)
  const translator = translatorOf(config)
  const model = init(translator.model, rng.fork('init'))
  const optimizer = new AdamW(model, { lr, betas: [0.9, 0.98], eps: 1e-9, weightDecay: 0.01 })
  return {
    translator,
    model,
    optimizer,
    data: new BucketedPairs(pairs, {
      batchSize: batch,
      rng: rng.fork('data'),
      pad: special.pad,
    }),
    clipping: { norm: 1 },
    schedule: warmupCosine({ lr, minLr: lr / 50, warmupSteps: Math.min(400, Math.ceil(steps / 10)), steps }),
    loss: (it) => translator.loss(it),
    size: ({ source, target }) => source.values.length + target.values.length,
    [Symbol.dispose]() {
      model[Symbol.dispose]()
      optimizer[Symbol.dispose]()
    },
  }
}
