import { Llama, type LlamaConfig } from '@filature/llama'
import { crossEntropy, init, Rng, type Scalar } from '@filature/tensor'
import { AdamW, idsTensor, type TokenBatch, TokenCrops, warmupCosine } from '@filature/train'
import type { Recipe } from '../run/recipe.ts'
import type { RunSettings } from '../run/train.ts'

export interface LlamaShape {
  readonly vocab: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Groups of keys and values. */
  readonly groups: number
  readonly memory: number
  readonly dropout: number
  /** Crops of a step, and tokens of each: the context. */
  readonly batch: number
  readonly length: number
  readonly lr: number
  readonly weightDecay: number
  readonly heldOut: number
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

export interface LlamaSettings extends RunSettings, LlamaShape {
  readonly command: 'llama'
  readonly texts: readonly string[]
  readonly sha256: string
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

export interface LlamaRecipe extends Recipe<TokenBatch> {
  readonly model: Llama
}

/** nanoGPT's recipe: random crops, warm-up, half a cosine down to a tenth, decay of matrices only. */
export function startLlama(settings: LlamaSettings, config: LlamaConfig, tokens: Int32Array): LlamaRecipe {
  const { seed, batch, length, lr, weightDecay, steps } = settings
  const rng = new Rng(seed)
  const model = init(new Llama(config), rng.fork('init'))
  const norms = { match: /norm/, weightDecay: 0 }
  const optimizer = new AdamW(model, { lr, betas: [0.9, 0.95], weightDecay }, [norms])
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
