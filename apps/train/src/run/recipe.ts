import { type Module, Rng, type Scalar, tidy } from '@filature/tensor'
import { type BatchSource, type Clipping, gradientStep, type Optimizer, type Schedule } from '@filature/train'

/** What a run trains, put together from its settings; `start` of each command makes one. */
export interface Recipe<B> extends Disposable {
  readonly model: Module
  /** The scalar to make small, from a batch. */
  readonly loss: (batch: B) => Scalar
  readonly data: BatchSource<B>
  readonly optimizer: Optimizer
  readonly clipping: Clipping
  readonly schedule: Schedule
}

/** Part of the time that goes to steps; the rest to evaluations and saving. */
const TRAINING_SHARE = 0.85

/**
 * How many steps fit into `seconds` on this machine: measured on a recipe of its own, so that the run itself starts
 * untouched and depends on the number of steps alone.
 */
export async function stepsWithin<B>(seconds: number, start: () => Recipe<B>): Promise<number> {
  using recipe = start()
  const times: number[] = []
  const began = performance.now()
  const limit = Math.min(3000, seconds * 50)
  while (times.length < 4 || (performance.now() - began < limit && times.length < 100)) {
    const from = performance.now()
    const batches = [await recipe.data.next()]
    const made = tidy(() => gradientStep({ ...recipe, batches, rng: new Rng(0), lr: undefined }))
    await made.loss.data()
    made.loss.dispose()
    made.norm?.dispose()
    times.push((performance.now() - from) / 1000)
  }
  const warm = times.slice(Math.floor(times.length / 3)).sort((a, b) => a - b)
  const median = warm[Math.floor(warm.length / 2)]!
  return Math.max(1, Math.round((seconds * TRAINING_SHARE) / median))
}
