import {
  CheckpointError,
  ConfigError,
  clone,
  freeze,
  keep,
  type Module,
  matcher,
  parametersOf,
  Rng,
  requireMemory,
  type Scalar,
  type Tensor,
  type Trainable,
  tidy,
  type Which,
} from '@filature/tensor'
import type { Stateful } from './carry.ts'
import type { Clipping } from './clipping.ts'
import type { BatchSource } from './data/batch-source.ts'
import { LossLog } from './loss-log.ts'
import type { Optimizer } from './optimizers/optimizer.ts'
import type { Reporter } from './reporter.ts'
import type { Schedule } from './schedules.ts'
import { gradientStep } from './step.ts'
import type { Progress, TrainingState, TrainingStore } from './training-state.ts'

export interface TrainerOptions<B> {
  /** A model with a `loss` of its own, or any model with `loss` beside it. */
  readonly model: Module
  /** The scalar to make small, from a batch; `model.loss(batch)` when left out. */
  readonly loss?: (batch: B) => Scalar
  readonly data: BatchSource<B>
  readonly optimizer: Optimizer
  /** Dropout at step n draws from `rng.fork(n)`. */
  readonly rng: Rng
  /** The learning rate by step; the optimizer's own when left out. */
  readonly schedule?: Schedule
  readonly clipping?: Clipping
  /** Batches whose gradients are averaged for one step. */
  readonly accumulate?: number
  /** Paths of parameters that training leaves as they are, bit for bit. */
  readonly frozen?: Which
  /** What the steps hand on beside the weights, saved with them: the hidden state of a recurrent network. */
  readonly state?: Readonly<Record<string, Stateful>>
  /** Steps between log entries (10). */
  readonly logEvery?: number
  /** smoothed = keep smoothed + (1 - keep) loss, from `start` or else the first loss. */
  readonly smoothing?: { readonly keep: number; readonly start?: number }
  /** Numbers that tell how good the model is; run every `evaluateEvery` steps and at the end. */
  readonly evaluate?: () => Promise<Readonly<Record<string, number>>>
  readonly evaluateEvery?: number
  /** The number of `evaluate` whose least value marks the best checkpoint ('loss'). */
  readonly bestBy?: string
  readonly store?: TrainingStore
  /** Steps between checkpoints; the end and a stop always save. */
  readonly saveEvery?: number
  readonly reporters?: readonly Reporter[]
  /** Called with the batch before each step. */
  readonly beforeStep?: (step: number, batch: B) => void | Promise<void>
}

export interface RunResult {
  /** Steps made, in this run and those before it. */
  readonly step: number
  readonly reason: 'finished' | 'stopped'
  readonly smoothedLoss: number | null
  readonly metrics: Readonly<Record<string, number>> | null
  readonly best: Progress['best']
  readonly seconds: number
}

/** Milliseconds after which the loop lets timers and signals in. */
const BREATH = 30

/**
 * The training loop. It awaits data, never holds more than one step's tensors, and can stop after any step and go on
 * later with the same numbers bit for bit (same backend, build and thread count).
 */
export class Trainer<B> implements Disposable {
  readonly #options: TrainerOptions<B>
  readonly #loss: (batch: B) => Scalar
  readonly #log: LossLog
  #rng: Rng
  #step = 0
  #saved = -1
  #best: Progress['best'] = null
  #metrics: Readonly<Record<string, number>> | null = null

  constructor(options: TrainerOptions<B>) {
    for (const key of ['accumulate', 'logEvery', 'evaluateEvery', 'saveEvery'] as const) {
      const value = options[key]
      if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
        throw new ConfigError('trainer-option', `Trainer: wanted ${key} of at least 1, got ${value}.`)
      }
    }
    for (const [key, needed] of [
      ['evaluateEvery', 'evaluate'],
      ['bestBy', 'evaluate'],
      ['saveEvery', 'store'],
    ] as const) {
      if (options[key] !== undefined && options[needed] === undefined) {
        throw new ConfigError(
          'trainer-option',
          `Trainer: ${key} does nothing without ${needed}; give it, or leave ${key} out.`,
        )
      }
    }
    const { model, frozen, loss } = options
    if (!loss && typeof (model as Partial<Trainable<B>>).loss !== 'function') {
      throw new ConfigError(
        'trainer-loss',
        `Trainer: ${model.constructor.name} has no loss(batch); pass loss: (batch) => ...`,
      )
    }
    if (frozen !== undefined && freeze(model, matcher(frozen)).length === 0) {
      throw new ConfigError(
        'trainer-frozen',
        `Trainer: frozen ${String(frozen)} matches no parameter of ${model.constructor.name}; check the pattern.`,
      )
    }
    this.#options = options
    this.#loss = loss ?? ((batch) => (model as unknown as Trainable<B>).loss(batch))
    this.#log = new LossLog(options.smoothing)
    this.#rng = options.rng
  }

  /** Steps made. */
  get step(): number {
    return this.#step
  }

  /** Goes on from the store's newest checkpoint; false where there is none. Nothing changes when it does not fit. */
  async resume(): Promise<boolean> {
    const { store, model, optimizer, data, state = {} } = this.#options
    if (!store) throw new ConfigError('trainer-store', 'Trainer: resume wants a store; pass one to the constructor.')
    const stored = await store.load()
    if (!stored) return false
    const { progress, tensors } = stored
    const before = data.position
    const earlier = new Map<Stateful, Map<string, Tensor>>() // of what has been restored so far
    const copies = [tensors]
    try {
      if (progress.optimizer.name !== optimizer.name) {
        throw new CheckpointError(
          'training-optimizer',
          `Trainer: ${store.name} was trained with ${progress.optimizer.name}, this run has ${optimizer.name}.`,
        )
      }
      const slots = { tensors: below(tensors, 'optimizer.'), steps: progress.optimizer.steps }
      optimizer.checkState(slots)
      data.seek(progress.data)
      for (const [name, it] of Object.entries(state)) {
        const held = heldCopies(it.state())
        copies.push(held)
        it.restore(below(tensors, `state.${name}.`))
        earlier.set(it, held)
      }
      await stored.fill(model)
      optimizer.restore(slots)
    } catch (error) {
      data.seek(before)
      for (const [it, held] of earlier) it.restore(held)
      throw error
    } finally {
      for (const all of copies) for (const x of all.values()) x.dispose()
    }
    this.#rng = Rng.from({ key: progress.rng.key, position: progress.rng.position })
    this.#step = progress.step
    this.#saved = progress.step
    this.#best = progress.best
    this.#log.smoothed = progress.smoothedLoss
    return true
  }

  /**
   * Trains until `steps` steps are made in all, or until `signal` aborts: then the step at hand is finished, saved,
   * and the run ends with the reason 'stopped'.
   * @throws MemoryError before the first step where the backend has no room for gradients and the optimizer's slots
   */
  async run({ steps, signal }: { steps: number; signal?: AbortSignal }): Promise<RunResult> {
    if (!(Number.isInteger(steps) && steps >= 0)) {
      throw new ConfigError('trainer-steps', `Trainer: wanted steps as a whole number of at least 0, got ${steps}.`)
    }
    const { reporters = [], logEvery = 10, evaluateEvery, evaluate, saveEvery, store } = this.#options
    if (this.#step < steps) this.#requireMemory()
    const began = performance.now()
    for (const reporter of reporters) await reporter.start?.({ from: this.#step, steps })
    this.#log.startClock()
    let breath = performance.now()
    try {
      while (this.#step < steps && !signal?.aborted) {
        await this.#one()
        for (const reporter of reporters) reporter.step?.(this.#step)
        const last = this.#step === steps
        if (this.#step % logEvery === 0 || last) await this.#report()
        if (evaluate && (last || (evaluateEvery && this.#step % evaluateEvery === 0))) await this.#evaluate()
        if (store && saveEvery && this.#step % saveEvery === 0) await this.save()
        if (performance.now() - breath > BREATH) {
          await new Promise((resolve) => setTimeout(resolve, 0))
          breath = performance.now()
        }
      }
      await this.#report()
      await this.save()
    } finally {
      this.#log.clear()
      for (const reporter of reporters) await reporter.end?.()
    }
    return {
      step: this.#step,
      reason: this.#step < steps ? 'stopped' : 'finished',
      smoothedLoss: this.#log.smoothed,
      metrics: this.#metrics,
      best: this.#best,
      seconds: (performance.now() - began) / 1000,
    }
  }

  /** Refuses a run whose gradients and slots alone do not fit the backend; the activations come on top of them. */
  #requireMemory(): void {
    const { model, optimizer } = this.#options
    const trainable = [...parametersOf(model)].filter(([, parameter]) => parameter.trainable)
    const gradients = trainable.reduce((sum, [, parameter]) => sum + 4 * parameter.size, 0)
    requireMemory(`Trainer: gradients and ${optimizer.name}'s slots`, gradients + optimizer.bytesToCome)
  }

  async #one(): Promise<void> {
    const { model, data, accumulate = 1, optimizer, schedule, clipping, beforeStep } = this.#options
    const batches: B[] = []
    for (let i = 0; i < accumulate; i++) batches.push(await data.next())
    await beforeStep?.(this.#step, batches[0]!)
    const lr = schedule?.(this.#step)
    const rng = this.#rng.fork(this.#step)
    const { loss, norm } = tidy(() =>
      gradientStep({ model, loss: this.#loss, batches, rng, optimizer, lr, clipping: clipping ?? null }),
    )
    this.#log.add(loss, norm, lr ?? optimizer.options.lr)
    this.#step++
  }

  async #report(): Promise<void> {
    const entry = await this.#log.flush(this.#step)
    if (entry) for (const reporter of this.#options.reporters ?? []) await reporter.log?.(entry)
  }

  async #evaluate(): Promise<void> {
    const { evaluate, bestBy = 'loss', reporters = [] } = this.#options
    await this.#report()
    const metrics = await this.#log.pause(evaluate!)
    const value = metrics[bestBy]
    if (value === undefined) {
      throw new ConfigError(
        'trainer-best',
        `Trainer: evaluate gives no '${bestBy}' (it gives ${Object.keys(metrics).join(', ') || 'nothing'}); name one as bestBy.`,
      )
    }
    this.#metrics = metrics
    // the first number there is; NaN (no examples, say) is none, and nothing would ever be less
    if (!Number.isNaN(value) && (!this.#best || value < this.#best.value)) this.#best = { step: this.#step, value }
    for (const reporter of reporters) await reporter.evaluated?.(this.#step, metrics)
    // The best checkpoint must exist: its evaluation is never repeated.
    if (this.#best?.step === this.#step) await this.save()
  }

  /** Saves now, unless this very step is saved: before the first step, say, so that there is something to go on from. */
  async save(): Promise<void> {
    const { store, model, reporters = [] } = this.#options
    if (!store || this.#saved === this.#step) return
    await this.#report() // refuses a loss that is not a number before it is saved
    await this.#log.pause(() => store.save(model, this.#state()))
    this.#saved = this.#step
    for (const reporter of reporters) await reporter.saved?.(this.#step, store.name)
  }

  #state(): TrainingState {
    const { optimizer, data, state = {} } = this.#options
    const { tensors: slots, steps } = optimizer.state()
    const tensors = new Map<string, Tensor>()
    for (const [name, tensor] of slots) tensors.set(`optimizer.${name}`, tensor)
    for (const [key, it] of Object.entries(state)) {
      for (const [name, tensor] of it.state()) tensors.set(`state.${key}.${name}`, tensor)
    }
    const progress: Progress = {
      step: this.#step,
      rng: this.#rng.state,
      data: data.position,
      optimizer: { name: optimizer.name, steps },
      smoothedLoss: this.#log.smoothed,
      best: this.#best,
    }
    return { progress, tensors }
  }

  /** Frees the optimizer's memory and what is handed from step to step; the model stays. */
  [Symbol.dispose](): void {
    this.#log.clear()
    this.#options.optimizer[Symbol.dispose]()
    for (const it of Object.values(this.#options.state ?? {})) it.restore(new Map())
  }
}

const heldCopies = (tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map([...tensors].map(([name, x]) => [name, keep(clone(x))]))

function below(tensors: ReadonlyMap<string, Tensor>, prefix: string): Map<string, Tensor> {
  const under = [...tensors].filter(([name]) => name.startsWith(prefix))
  return new Map(under.map(([name, tensor]) => [name.slice(prefix.length), tensor]))
}
