import { type Checkpoint, load } from '@filature/checkpoint'
import { argMax, init, Rng, tidy } from '@filature/tensor'
import { AdamW, mapBatches, ShuffledBatches, Trainer, warmupCosine } from '@filature/train'
import { type BertConfig, BertForSequenceClassification } from '@filature/transformer'
import { kindNames } from '../bert/brown.ts'
import { type Passage, passageTensors } from './passages.ts'

export interface FineTuning {
  readonly config: BertConfig
  /** Pretrained weights to begin with; none trains from scratch. */
  readonly from: Checkpoint | undefined
  readonly train: readonly Passage[]
  readonly test: readonly Passage[]
  readonly length: number
  readonly steps: number
  readonly batch: number
  readonly lr: number
  readonly seed: number
  readonly signal?: AbortSignal | undefined
}

/** Trains a classifier on the passages; the part of the test passages that it names right, NaN where it was stopped. */
export async function fineTune(it: FineTuning): Promise<number> {
  const rng = new Rng(it.seed)
  using model = init(
    new BertForSequenceClassification({ ...it.config, num_labels: kindNames.length }),
    rng.fork('init'),
  )
  // the classifier is new, the heads of the pretraining are not wanted
  if (it.from) await load(model, it.from, { leaveOut: [/^cls\./], keep: [/^classifier\./] })
  const optimizer = new AdamW(model, { lr: it.lr, weightDecay: 0.01 }, [{ match: /bias|LayerNorm/, weightDecay: 0 }])
  const order = new ShuffledBatches({
    count: it.train.length,
    batchSize: Math.min(it.batch, it.train.length),
    rng: rng.fork('order'),
  })
  using trainer = new Trainer({
    model,
    optimizer,
    data: mapBatches(order, (which) => Array.from(which, (i) => it.train[i]!)),
    loss: (passages: Passage[]) => model.loss(passageTensors(passages, it.length)),
    rng: rng.fork('training'),
    clipping: { norm: 1 },
    schedule: warmupCosine({ lr: it.lr, warmupSteps: Math.floor(it.steps / 10), steps: it.steps }),
  })
  const { reason } = await trainer.run({ steps: it.steps, ...(it.signal ? { signal: it.signal } : {}) })
  if (reason === 'stopped') return Number.NaN
  return await accuracy(model, it.test, it.length)
}

const ROWS = 64

async function accuracy(
  model: BertForSequenceClassification,
  passages: readonly Passage[],
  length: number,
): Promise<number> {
  let right = 0
  for (let from = 0; from < passages.length; from += ROWS) {
    const rows = passages.slice(from, from + ROWS)
    const named = tidy(() => {
      const { labels: _, ...inputs } = passageTensors(rows, length)
      return argMax(model.forward(inputs), -1)
    })
    ;(await named.data()).forEach((kind, i) => {
      if (kind === rows[i]!.kind) right++
    })
    named.dispose()
  }
  return right / passages.length
}
