import {
  bitsPerCharacter,
  type CharConfig,
  type CharModel,
  type CharState,
  type CharVocabulary,
  describeCharModel,
  nextCharacterLoss,
} from '@filature/recurrent'
import { init, Rng, type Scalar, transpose } from '@filature/tensor'
import {
  Adagrad,
  AdamW,
  Carry,
  type Ids,
  idsTensor,
  type TokenBatch,
  TokenStreams,
  warmupCosine,
} from '@filature/train'
import type { Recipe } from '../run/recipe.ts'
import type { CharSettings } from './settings.ts'

export interface CharRecipe extends Recipe<TokenBatch> {
  readonly model: CharModel
  readonly vocabulary: CharVocabulary
  readonly data: TokenStreams
  /** The state after the step at hand. */
  readonly state: { readonly carry: Carry<CharState> }
}

const timeFirst = (ids: Ids) => transpose(idsTensor(ids)) // (T, B)

/**
 * Truncated backpropagation over parallel streams of the text. The classic loss is the sum over a step's characters, the
 * modern one their mean.
 */
export function startChar(settings: CharSettings, config: CharConfig, train: Int32Array): CharRecipe {
  const { preset, seed, batch, length, lr, steps } = settings
  const classic = preset === 'classic'
  const { model, vocabulary } = describeCharModel(config)
  init(model, new Rng(seed).fork('init'))
  const optimizer = classic
    ? new Adagrad(model, { lr, eps: 1e-8, epsInsideRoot: true })
    : new AdamW(model, { lr, betas: [0.9, 0.99], weightDecay: 0.01 }, [{ match: /bias|embed/, weightDecay: 0 }])
  const carry = new Carry<CharState>()
  const warmupSteps = Math.min(50, Math.floor(steps / 20))
  return {
    model,
    vocabulary,
    optimizer,
    data: new TokenStreams(train, { batchSize: batch, length }),
    state: { carry },
    clipping: classic ? { value: 5 } : { norm: 1 },
    schedule: classic ? undefined : warmupCosine({ lr, minLr: lr / 20, warmupSteps, steps }),
    smoothing: classic ? { keep: 0.999, start: Math.log(vocabulary.size) * length } : { keep: 0.95 },
    loss({ inputs, targets, fresh }): Scalar {
      if (fresh) carry.clear()
      const ids = { inputs: timeFirst(inputs), targets: timeFirst(targets) }
      const { loss, state } = nextCharacterLoss(model, ids, carry.value, classic ? 'sum' : 'mean')
      carry.put(state)
      return loss
    },
    [Symbol.dispose]() {
      model[Symbol.dispose]()
      optimizer[Symbol.dispose]()
      carry.clear()
    },
  }
}

/** Bits per character, from what the recipe's loss gives. */
export const bitsOf = ({ preset, length }: Pick<CharSettings, 'preset' | 'length'>, loss: number): number =>
  (preset === 'classic' ? loss / length : loss) / Math.LN2

/** Held-out bits per character; `loss` is the same in nats, for the trainer to judge by. */
export async function evaluate(
  model: CharModel,
  test: Int32Array,
): Promise<{ loss: number; bitsPerCharacter: number }> {
  const bits = await bitsPerCharacter(model, test)
  return { loss: bits * Math.LN2, bitsPerCharacter: bits }
}
