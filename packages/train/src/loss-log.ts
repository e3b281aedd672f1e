import { FilatureError, type Scalar } from '@filature/tensor'
import type { LogEntry } from './reporter.ts'

/** A loss that is not a number any more: training on would only spoil the weights further. */
export class DivergedError extends FilatureError {}

/** Losses of the steps since the last entry. They stay on the device until an entry is due. */
export class LossLog {
  /** The smoothed loss; null before the first. */
  smoothed: number | null
  readonly #keep: number
  #losses: Scalar[] = []
  #norms: Scalar[] = []
  #lr = 0
  #since = 0

  constructor({ keep = 0.98, start }: { keep?: number; start?: number } = {}) {
    this.#keep = keep
    this.smoothed = start ?? null
  }

  startClock(): void {
    this.#since = performance.now()
  }

  /** Takes the scalars over. */
  add(loss: Scalar, norm: Scalar | null, lr: number): void {
    this.#losses.push(loss)
    if (norm) this.#norms.push(norm)
    this.#lr = lr
  }

  /** Runs `fn` with the clock standing still. */
  async pause<T>(fn: () => Promise<T>): Promise<T> {
    const from = performance.now()
    try {
      return await fn()
    } finally {
      this.#since += performance.now() - from
    }
  }

  /** The entry of the steps added since the last one; undefined where there are none. */
  async flush(step: number): Promise<LogEntry | undefined> {
    if (this.#losses.length === 0) return undefined
    const read = async (scalars: Scalar[]) => (await Promise.all(scalars.map((x) => x.data()))).map((x) => x[0]!)
    const losses = await read(this.#losses)
    const norms = await read(this.#norms)
    this.clear()
    const wrong = losses.findIndex((loss) => !Number.isFinite(loss))
    if (wrong >= 0) {
      const at = step - losses.length + wrong
      throw new DivergedError(
        'loss-not-finite',
        `Trainer: the loss of step ${at} is ${losses[wrong]}; nothing was saved after it. ` +
          'Go on from the last checkpoint with a lower learning rate, a warm-up, or clipping by norm.',
      )
    }
    for (const loss of losses) {
      this.smoothed = this.smoothed === null ? loss : this.#keep * this.smoothed + (1 - this.#keep) * loss
    }
    const now = performance.now()
    const seconds = (now - this.#since) / 1000
    this.#since = now
    return {
      step,
      loss: meanOf(losses),
      smoothedLoss: this.smoothed!,
      lr: this.#lr,
      ...(norms.length ? { gradientNorm: meanOf(norms) } : {}),
      stepsPerSecond: losses.length / Math.max(seconds, 1e-9),
    }
  }

  clear(): void {
    for (const scalar of [...this.#losses, ...this.#norms]) scalar.dispose()
    this.#losses = []
    this.#norms = []
  }
}

const meanOf = (xs: readonly number[]) => xs.reduce((a, x) => a + x, 0) / xs.length
