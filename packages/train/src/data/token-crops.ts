import { ConfigError, type Rng } from '@filature/tensor'
import type { BatchSource, Position } from './batch-source.ts'
import { readPosition } from './position.ts'
import { cut, type TokenBatch } from './token-batch.ts'

/** Batches of B crops of T tokens from random places, as nanoGPT reads its data; batch n draws from `rng.fork(n)`. */
export class TokenCrops implements BatchSource<TokenBatch> {
  readonly #tokens: ArrayLike<number>
  readonly #batchSize: number
  readonly #length: number
  readonly #rng: Rng
  #batch = 0

  constructor(tokens: ArrayLike<number>, options: { batchSize: number; length: number; rng: Rng }) {
    const { batchSize, length, rng } = options
    const whole = Number.isInteger(batchSize) && Number.isInteger(length)
    if (!(whole && batchSize > 0 && length > 0 && tokens.length > length)) {
      throw new ConfigError(
        'crop-size',
        `TokenCrops: wanted a batchSize and a length of at least 1 and more tokens than that, ` +
          `got ${batchSize}, ${length} and ${tokens.length} tokens.`,
      )
    }
    this.#tokens = tokens
    this.#batchSize = batchSize
    this.#length = length
    this.#rng = rng
  }

  next(): TokenBatch {
    const rng = this.#rng.fork(this.#batch++)
    const places = this.#tokens.length - this.#length
    const starts = Array.from({ length: this.#batchSize }, () => rng.integer(places))
    return cut(this.#tokens, starts, this.#length, true)
  }

  get position(): Position {
    return { batch: this.#batch }
  }

  seek(position: Position): void {
    this.#batch = readPosition('TokenCrops', position, { batch: Number.MAX_SAFE_INTEGER }).batch
  }
}
