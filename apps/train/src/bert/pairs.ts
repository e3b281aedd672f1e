import { type Rng, type Tensor1D, type Tensor2D, tensor } from '@filature/tensor'
import { type BatchSource, type Position, ShuffledBatches } from '@filature/train'
import type { PreTrainingBatch } from '@filature/transformer'
import { joinPair, MASK, padTo, SPECIAL } from './words.ts'

/** Rows (B, T) of one pretraining step, on the host. */
export interface PairBatch {
  readonly ids: Int32Array
  readonly types: Int32Array
  readonly mask: Int32Array
  /** The id where a token was masked, else -100. */
  readonly labels: Int32Array
  /** 0 where the second segment follows the first, 1 where it comes from elsewhere. */
  readonly next: Int32Array
  readonly shape: readonly [batch: number, length: number]
}

export interface PairOptions {
  readonly batchSize: number
  /** Tokens of a row. */
  readonly length: number
  readonly vocab: number
  /** Part of the tokens to predict. */
  readonly predicted: number
  readonly rng: Rng
}

/** Parts of the predicted tokens that are masked and replaced by chance; the rest stays (Devlin et al. 2018). */
const MASKED = 0.8
const REPLACED = 0.1

/** Documents of sentences of ids as masked pairs; everything drawn depends on seed, epoch and place alone. */
export class SentencePairs implements BatchSource<PairBatch> {
  readonly #documents: readonly (readonly (readonly number[])[])[]
  readonly #starts: readonly (readonly [document: number, sentence: number])[]
  readonly #order: ShuffledBatches
  readonly #options: PairOptions

  constructor(documents: readonly (readonly (readonly number[])[])[], options: PairOptions) {
    this.#documents = documents
    this.#options = options
    this.#starts = documents.flatMap((sentences, d) => sentences.slice(0, -1).map((_, s) => [d, s] as const))
    const { batchSize, rng } = options
    this.#order = new ShuffledBatches({ count: this.#starts.length, batchSize, rng: rng.fork('order'), dropLast: true })
  }

  get batchesPerEpoch(): number {
    return this.#order.batchesPerEpoch
  }

  get position(): Position {
    return this.#order.position
  }

  seek(position: Position): void {
    this.#order.seek(position)
  }

  next(): PairBatch {
    const { epoch, batch } = this.#order.position as { epoch: number; batch: number }
    const rng = this.#options.rng.fork('draws').fork(epoch).fork(batch)
    const rows = Array.from(this.#order.next(), (start) => this.#row(start, rng))
    const { length } = this.#options
    const of = (pick: (row: (typeof rows)[number]) => number[], pad: number) => padTo(rows.map(pick), length, pad)
    return {
      ids: of((row) => row.ids, 0),
      types: of((row) => row.types, 0),
      mask: of((row) => row.ids.map(() => 1), 0),
      labels: of((row) => row.labels, -100),
      next: Int32Array.from(rows, (row) => row.next),
      shape: [rows.length, length],
    }
  }

  /** Sentences from a start up to half a row, then those that follow, or as many from another document. */
  #row(start: number, rng: Rng) {
    const [d, s] = this.#starts[start]!
    const half = Math.floor(this.#options.length / 2)
    const a = gather(this.#documents[d]!, s, half)
    const follows = rng.integer(2) === 0 && a.end < this.#documents[d]!.length
    let b = follows ? gather(this.#documents[d]!, a.end, half) : undefined
    if (!b) {
      const step = 1 + rng.integer(Math.max(1, this.#documents.length - 1))
      const other = this.#documents[(d + step) % this.#documents.length]!
      b = gather(other, rng.integer(other.length), half)
    }
    const { ids, types } = joinPair(a.ids, b.ids, this.#options.length)
    return { ...this.#mask(ids, rng), types, next: follows ? 0 : 1 }
  }

  #mask(original: readonly number[], rng: Rng): { ids: number[]; labels: number[] } {
    const ids = [...original]
    const labels = ids.map(() => -100)
    const draws = rng.uniform(2 * ids.length)
    ids.forEach((id, i) => {
      if (id < SPECIAL.length || draws[2 * i]! >= this.#options.predicted) return
      labels[i] = id
      const fate = draws[2 * i + 1]!
      if (fate < MASKED) ids[i] = MASK
      else if (fate < MASKED + REPLACED) ids[i] = SPECIAL.length + rng.integer(this.#options.vocab - SPECIAL.length)
    })
    return { ids, labels }
  }
}

/** Whole sentences from `from` until there are `count` tokens. */
function gather(sentences: readonly (readonly number[])[], from: number, count: number) {
  const ids: number[] = []
  let end = from
  while (end < sentences.length && ids.length < count) ids.push(...sentences[end++]!)
  return { ids, end }
}

/** The batch as tensors, made in the surrounding tidy. */
export function pairTensors({ ids, types, mask, labels, next, shape }: PairBatch): PreTrainingBatch {
  const rows = (values: Int32Array) => tensor(values, [...shape], 'int32') as Tensor2D
  return {
    ids: rows(ids),
    tokenTypeIds: rows(types),
    attentionMask: rows(mask),
    labels: rows(labels),
    nextSentenceLabels: tensor(next, [next.length], 'int32') as Tensor1D,
  }
}
