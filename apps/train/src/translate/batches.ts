import type { Rng } from '@filature/tensor'
import { type BatchSource, type Ids, type Position, padSequences, ShuffledBatches } from '@filature/train'

/** A pair as ids: the source with its end, the target between start and end. */
export interface EncodedPair {
  readonly source: readonly number[]
  readonly target: readonly number[]
}

export interface PairBatch {
  /** (B, S), and the tokens of each row. */
  readonly source: Ids
  readonly lengths: Int32Array
  /** (B, T): what the decoder reads, and what it is to say. */
  readonly target: Ids
  readonly labels: Ids
}

/** Batches of a pool are alike in length, and their order is shuffled: as many pools an epoch as it takes. */
const POOL = 32

/** Every pair once an epoch, in batches of similar lengths. */
export class BucketedPairs implements BatchSource<PairBatch> {
  readonly #pairs: readonly EncodedPair[]
  readonly #options: { batchSize: number; rng: Rng; pad: number }
  readonly #order: ShuffledBatches
  #epoch = -1
  #batches: readonly Int32Array[] = []

  constructor(pairs: readonly EncodedPair[], options: { batchSize: number; rng: Rng; pad: number }) {
    this.#pairs = pairs
    this.#options = options
    // only its position is used: which batch of which epoch is next
    this.#order = new ShuffledBatches({ count: Math.ceil(pairs.length / options.batchSize), batchSize: 1 })
  }

  get batchesPerEpoch(): number {
    return this.#order.batchesPerEpoch
  }

  next(): PairBatch {
    const { epoch, batch } = this.#order.position as { epoch: number; batch: number }
    this.#order.next()
    if (epoch !== this.#epoch) {
      this.#batches = this.#bucketed(this.#options.rng.fork(epoch))
      this.#epoch = epoch
    }
    return batchOf(
      Array.from(this.#batches[batch]!, (i) => this.#pairs[i]!),
      this.#options.pad,
    )
  }

  #bucketed(rng: Rng): Int32Array[] {
    const { batchSize } = this.#options
    const order = rng.fork('order').permutation(this.#pairs.length)
    const length = (i: number) => 1000 * this.#pairs[i]!.target.length + this.#pairs[i]!.source.length
    const batches: Int32Array[] = []
    for (let from = 0; from < order.length; from += POOL * batchSize) {
      const pool = order.slice(from, from + POOL * batchSize).sort((a, b) => length(a) - length(b) || a - b)
      for (let at = 0; at < pool.length; at += batchSize) batches.push(pool.slice(at, at + batchSize))
    }
    return Array.from(rng.fork('batches').permutation(batches.length), (i) => batches[i]!)
  }

  get position(): Position {
    return this.#order.position
  }

  seek(position: Position): void {
    this.#order.seek(position)
  }
}

export function batchOf(pairs: readonly EncodedPair[], pad: number): PairBatch {
  const source = padSequences(
    pairs.map((pair) => pair.source),
    { value: pad },
  )
  const side = (from: number, less: number) =>
    padSequences(
      pairs.map(({ target }) => target.slice(from, target.length - less)),
      { value: pad },
    ).ids
  return { source: source.ids, lengths: source.lengths, target: side(0, 1), labels: side(1, 0) }
}
