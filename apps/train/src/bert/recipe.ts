import { init, Rng } from '@filature/tensor'
import { AdamW, warmupCosine } from '@filature/train'
import { type BertConfig, BertForPreTraining } from '@filature/transformer'
import type { Recipe } from '../run/recipe.ts'
import type { RunSettings } from '../run/train.ts'
import { pairLoss } from './loss.ts'
import { type PairBatch, SentencePairs } from './pairs.ts'

export interface BertShape {
  readonly vocab: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly memory: number
  readonly dropout: number
  /** Pairs of a step, and tokens of each. */
  readonly batch: number
  readonly length: number
  /** Part of the tokens to predict. */
  readonly mask: number
  readonly lr: number
  readonly weightDecay: number
}

/**
 * What shows its worth after ten minutes on two cores. A short pretraining wants many steps of a small network, and more
 * to predict at each than Devlin's 15 % (Wettig et al. 2023: up to 40 % serves as well).
 */
export const usualShape: BertShape = {
  vocab: 2048,
  width: 128,
  layers: 2,
  heads: 4,
  memory: 512,
  dropout: 0,
  batch: 32,
  length: 64,
  mask: 0.3,
  lr: 2e-3,
  weightDecay: 0.01,
}

export interface BertSettings extends RunSettings, BertShape {
  readonly command: 'bert'
  readonly data: string
  /** SHA-256 of the corpus as it was read. */
  readonly sha256: string
}

/** Keys as in Hugging Face's config.json. */
export function bertConfigOf(shape: BertShape, vocabSize: number): BertConfig {
  return {
    vocab_size: vocabSize,
    hidden_size: shape.width,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    intermediate_size: shape.memory,
    max_position_embeddings: shape.length,
    hidden_dropout_prob: shape.dropout,
    attention_probs_dropout_prob: shape.dropout,
    pad_token_id: 0,
  }
}

export interface BertRecipe extends Recipe<PairBatch> {
  readonly model: BertForPreTraining
  readonly data: SentencePairs
}

/** Devlin et al. 2018's recipe at a small size: both losses, AdamW, a warm-up, no decay of norms and biases. */
export function startBert(
  settings: BertSettings,
  config: BertConfig,
  documents: readonly (readonly (readonly number[])[])[],
): BertRecipe {
  const { seed, batch, length, mask, lr, weightDecay, steps } = settings
  const rng = new Rng(seed)
  const model = init(new BertForPreTraining(config), rng.fork('init'))
  const optimizer = new AdamW(model, { lr, weightDecay }, [{ match: /bias|LayerNorm/, weightDecay: 0 }])
  return {
    model,
    optimizer,
    data: new SentencePairs(documents, {
      batchSize: batch,
      length,
      vocab: config.vocab_size,
      predicted: mask,
      rng: rng.fork('data'),
    }),
    clipping: { norm: 1 },
    schedule: warmupCosine({ lr, minLr: lr / 20, warmupSteps: Math.floor(steps / 10), steps }),
    loss: (pairs) => pairLoss(model, pairs),
    [Symbol.dispose]() {
      model[Symbol.dispose]()
      optimizer[Symbol.dispose]()
    },
  }
}
