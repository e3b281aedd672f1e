import {
  argMax,
  crossEntropy,
  differentiate,
  init,
  Rng,
  type Scalar,
  sqrt,
  square,
  sum,
  tensor,
  tidy,
} from '@filature/tensor'
import { AdamW, gradientStep } from '@filature/train'
import { Reader, type ReaderKind } from './reader.ts'
import { type RecallBatch, recallBatch } from './task.ts'

export interface RecallOptions {
  readonly width: number
  readonly steps: number
  readonly batch: number
  readonly seed: number
}

const loss = (reader: Reader, { ids, labels }: RecallBatch): Scalar =>
  crossEntropy(reader.read(reader.embedded(ids)), tensor(labels, [labels.length], 'int32')) as Scalar

/**
 * Norm of the loss's gradient by the input at each distance from the end (0 is the question itself), in an untrained
 * reader: over a batch, relative to distance 0.
 */
export async function gradientByDistance(
  kind: ReaderKind,
  length: number,
  { width, batch, seed }: RecallOptions,
): Promise<number[]> {
  const rng = new Rng(seed)
  using reader = init(new Reader(kind, width), rng.fork('init'))
  const norms = tidy(() => {
    const { ids, labels } = recallBatch(rng.fork('gradient'), batch, length)
    const x = reader.embedded(ids) // (B, T, C)
    const { grads } = differentiate(() => crossEntropy(reader.read(x), tensor(labels, [batch], 'int32')) as Scalar, [x])
    return sqrt(sum(square(grads[0]!), [0, 2])) // (T)
  })
  const values = await norms.data()
  norms.dispose()
  return Array.from(values, (_, distance) => values[values.length - 1 - distance]! / values[values.length - 1]!)
}

/** Part of fresh sequences whose marked symbol is named, after training at that distance. */
export async function recallAt(
  kind: ReaderKind,
  distance: number,
  { width, steps, batch, seed }: RecallOptions,
): Promise<number> {
  const rng = new Rng(seed)
  using reader = init(new Reader(kind, width), rng.fork('init'))
  using optimizer = new AdamW(reader, { lr: 5e-3, weightDecay: 0 })
  for (let step = 0; step < steps; step++) {
    const { loss: made, norm } = tidy(() =>
      gradientStep({
        model: reader,
        loss: (it: RecallBatch) => loss(reader, it),
        batches: [recallBatch(rng.fork('train').fork(step), batch, distance)],
        rng,
        optimizer,
        lr: undefined,
        clipping: { norm: 1 },
      }),
    )
    if (step % 20 === 0) await made.data() // lets the loop breathe
    made.dispose()
    norm?.dispose()
  }
  const count = 512
  const { ids, labels } = recallBatch(rng.fork('test'), count, distance)
  const named = tidy(() => argMax(reader.read(reader.embedded(ids))))
  const values = await named.data()
  ids.dispose()
  named.dispose()
  return labels.reduce((right, label, i) => right + Number(values[i] === label), 0) / count
}
