import { ConfigError, type Rng } from '@filature/tensor'
import type { BatchSource, Position } from './batch-source.ts'
import { readPosition } from './position.ts'

export interface ShuffledOptions {
  /** Number of examples. */
  count: number
  batchSize: number
  /** The order of epoch e comes from `rng.fork(e)`; in their own order when left out. */
  rng?: Rng
  /** Leaves the last, smaller batch of an epoch out. */
  dropLast?: boolean
}

/** Batches of example numbers, every example once an epoch, each epoch in an order of its own. */
export class ShuffledBatches implements BatchSource<Int32Array> {
  readonly #options: ShuffledOptions
  readonly batchesPerEpoch: number
  #epoch = 0
  #batch = 0
  #order: Int32Array | undefined

  constructor(options: ShuffledOptions) {
    const { count, batchSize, dropLast = false } = options
    if (!Number.isInteger(count)) {
      throw new ConfigError('batch-count', `ShuffledBatches: wanted a whole number of examples, got ${count}.`)
    }
    if (!(Number.isInteger(batchSize) && batchSize > 0)) {
      throw new ConfigError('batch-size', `ShuffledBatches: wanted a batchSize of at least 1, got ${batchSize}.`)
    }
    this.batchesPerEpoch = dropLast ? Math.floor(count / batchSize) : Math.ceil(count / batchSize)
    if (this.batchesPerEpoch < 1) {
      throw new ConfigError('batch-count', `ShuffledBatches: ${count} examples make no batch of ${batchSize}.`)
    }
    this.#options = options
  }

  next(): Int32Array {
    const { count, batchSize, rng } = this.#options
    this.#order ??= rng ? rng.fork(this.#epoch).permutation(count) : Int32Array.from({ length: count }, (_, i) => i)
    const from = this.#batch * batchSize
    const batch = this.#order.slice(from, Math.min(count, from + batchSize))
    if (++this.#batch === this.batchesPerEpoch) {
      this.#batch = 0
      this.#epoch++
      this.#order = undefined
    }
    return batch
  }

  get position(): Position {
    return { epoch: this.#epoch, batch: this.#batch }
  }

  seek(position: Position): void {
    const limits = { epoch: Number.MAX_SAFE_INTEGER, batch: this.batchesPerEpoch - 1 }
    const { epoch, batch } = readPosition('ShuffledBatches', position, limits)
    this.#epoch = epoch
    this.#batch = batch
    this.#order = undefined
  }
}
