import { type CausalLM, crossEntropy, init, Rng, type Scalar } from '@filature/tensor'
import { AdamW, idsTensor, type TokenBatch, TokenCrops, warmupCosine } from '@filature/train'
import type { Recipe } from '../run/recipe.ts'
import type { RunSettings } from '../run/train.ts'

/** What every language model that is trained on texts is made of. */
export interface TextShape {
  /** Tokens of a learned vocabulary, at most. */
  readonly vocab: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly dropout: number
  /** Crops of a step, and tokens of each: the context. */
  readonly batch: number
  readonly length: number
  readonly lr: number
  readonly weightDecay: number
  /** Part at the end of each text that is tested on. */
  readonly heldOut: number
}

export interface TextSettings extends RunSettings, TextShape {
  readonly texts: readonly string[]
  readonly sha256: string
}

export interface TextRecipe extends Recipe<TokenBatch> {
  readonly model: CausalLM
}

/**
 * nanoGPT's recipe: random crops, warm-up, half a cosine down to a tenth, decay of matrices only, gradients clipped.
 * @param undecayed paths of the norms and biases
 */
export function startOnText(
  model: CausalLM,
  settings: TextSettings,
  tokens: Int32Array,
  { beta2, undecayed }: { beta2: number; undecayed: RegExp },
): TextRecipe {
  const { seed, batch, length, lr, weightDecay, steps } = settings
  const rng = new Rng(seed)
  init(model, rng.fork('init'))
  const vectors = { match: undecayed, weightDecay: 0 }
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
