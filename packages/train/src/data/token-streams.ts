import { ConfigError } from '@filature/tensor'
import type { BatchSource, Position } from './batch-source.ts'
import { readPosition } from './position.ts'
import { cut, type TokenBatch } from './token-batch.ts'

/**
 * Truncated backpropagation through time: the tokens as B parallel streams of equal length, read T at a time; row b of
 * a batch goes on where row b of the one before stopped. `fresh` marks the first batch of an epoch. A new epoch begins
 * where the tokens left do not fill another batch and one more: position + T + 1 >= length, as the classic
 * character RNN has it.
 */
export class TokenStreams implements BatchSource<TokenBatch> {
  readonly #tokens: ArrayLike<number>
  readonly #batchSize: number
  readonly #length: number
  /** Tokens of each of the B streams. */
  readonly streamLength: number
  readonly batchesPerEpoch: number
  #epoch = 0
  #offset = 0

  constructor(tokens: ArrayLike<number>, { batchSize, length }: { batchSize: number; length: number }) {
    for (const [key, value] of Object.entries({ batchSize, length })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new ConfigError('stream-size', `TokenStreams: wanted a ${key} of at least 1, got ${value}.`)
      }
    }
    this.#tokens = tokens
    this.#batchSize = batchSize
    this.#length = length
    this.streamLength = Math.floor(tokens.length / batchSize)
    this.batchesPerEpoch = Math.ceil((this.streamLength - length - 1) / length)
    if (this.batchesPerEpoch < 1) {
      throw new ConfigError(
        'stream-short',
        `TokenStreams: wanted more than ${batchSize * (length + 1)} tokens for ${batchSize} streams of steps of ${length}, ` +
          `got ${tokens.length}; take fewer streams or shorter steps.`,
      )
    }
  }

  next(): TokenBatch {
    const T = this.#length
    if (this.#offset + T + 1 >= this.streamLength) {
      this.#epoch++
      this.#offset = 0
    }
    const starts = Array.from({ length: this.#batchSize }, (_, row) => row * this.streamLength + this.#offset)
    const batch = cut(this.#tokens, starts, T, this.#offset === 0)
    this.#offset += T
    return batch
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset }
  }

  seek(position: Position): void {
    const limits = { epoch: Number.MAX_SAFE_INTEGER, offset: this.streamLength }
    const { epoch, offset } = readPosition('TokenStreams', position, limits)
    this.#epoch = epoch
    this.#offset = offset
  }
}
