import {
  bitsPerCharacter,
  type CharConfig,
  type CharModel,
  type CharState,
  type CharVocabulary,
  describeCharModel,
  generateIds,
  nextCharacterLoss,
} from '@filature/recurrent'
import { init, Rng, type Scalar, transpose } from '@filature/tensor'
import {
  Adagrad,
  AdamW,
  Carry,
  type Clipping,
  type Ids,
  idsTensor,
  type Optimizer,
  type Schedule,
  type TokenBatch,
  TokenStreams,
  warmupCosine,
} from '@filature/train'
import type { CharSettings } from './settings.ts'

/** What a run is made of; the trainer puts it together. */
export interface CharSession extends Disposable {
  readonly model: CharModel
  readonly vocabulary: CharVocabulary
  readonly optimizer: Optimizer
  readonly data: TokenStreams
  readonly carry: Carry<CharState>
  readonly clipping: Clipping
  readonly schedule: Schedule | undefined
  readonly smoothing: { readonly keep: number; readonly start?: number }
  /** The classic loss is the sum over a step's characters, the modern one their mean. */
  loss(batch: TokenBatch): Scalar
  /** Nats per character, from what `loss` gives. */
  perCharacter(loss: number): number
  /** Writes `length` characters on from `prompt`. */
  sample(
    prompt: ArrayLike<number>,
    length: number,
    options: { rng: Rng; temperature: number; state?: CharState },
  ): Promise<string>
}

const timeFirst = (ids: Ids) => transpose(idsTensor(ids)) // (T, B)

export function startSession(settings: CharSettings, config: CharConfig, train: Int32Array): CharSession {
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
    carry,
    clipping: classic ? { value: 5 } : { norm: 1 },
    schedule: classic ? undefined : warmupCosine({ lr, minLr: lr / 20, warmupSteps, steps }),
    smoothing: classic ? { keep: 0.999, start: Math.log(vocabulary.size) * length } : { keep: 0.95 },
    loss({ inputs, targets, fresh }) {
      if (fresh) carry.clear()
      const ids = { inputs: timeFirst(inputs), targets: timeFirst(targets) }
      const { loss, state } = nextCharacterLoss(model, ids, carry.value, classic ? 'sum' : 'mean')
      carry.put(state)
      return loss
    },
    perCharacter: (loss) => (classic ? loss / length : loss),
    async sample(prompt, count, options) {
      const ids: number[] = []
      for await (const id of generateIds(model, { prompt, length: count, ...options })) ids.push(id)
      return vocabulary.decode(ids)
    },
    [Symbol.dispose]() {
      model[Symbol.dispose]()
      optimizer[Symbol.dispose]()
      carry.clear()
    },
  }
}

/** Held-out bits per character; `loss` is the same in nats, for the trainer to judge by. */
export async function evaluate(
  model: CharModel,
  test: Int32Array,
): Promise<{ loss: number; bitsPerCharacter: number }> {
  const bits = await bitsPerCharacter(model, test)
  return { loss: bits * Math.LN2, bitsPerCharacter: bits }
}
