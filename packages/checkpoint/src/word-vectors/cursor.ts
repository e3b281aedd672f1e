import type { ByteSource } from '../byte-source.ts'
import { refuse } from '../refuse.ts'

const CHUNK = 1 << 20

/** Reads a file from its beginning, a chunk at a time; holds no more than a chunk and what is being taken. */
export class Cursor {
  readonly #source: ByteSource
  readonly #chunk: number
  #held = new Uint8Array(0)
  /** Place in `#held`, and of the end of `#held` in the file. */
  #at = 0
  #read = 0

  constructor(source: ByteSource, chunk = CHUNK) {
    this.#source = source
    this.#chunk = chunk
  }

  /** Bytes of the file before the next one. */
  get offset(): number {
    return this.#read - (this.#held.length - this.#at)
  }

  get ended(): boolean {
    return this.offset === this.#source.size
  }

  /** The bytes up to a byte, which is passed over, or to the end of the file. A view, good until the next call. */
  async until(byte: number, limit: number): Promise<Uint8Array> {
    for (let from = this.#at; ; ) {
      const end = this.#held.indexOf(byte, from)
      const length = (end < 0 ? this.#held.length : end) - this.#at
      if (length > limit) {
        refuse('vectors-line', this.#source.name, `wanted at most ${limit} bytes in one piece at byte ${this.offset}.`)
      }
      if (end >= 0 || this.#read === this.#source.size) {
        const piece = this.#held.subarray(this.#at, this.#at + length)
        this.#at += length + (end < 0 ? 0 : 1)
        return piece
      }
      await this.#more()
      from = this.#at + length
    }
  }

  /** The next bytes, without going past them; fewer at the end of the file. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#held.length - this.#at < count && this.#read < this.#source.size) await this.#more()
    return this.#held.subarray(this.#at, this.#at + count)
  }

  /** The next bytes; a file that ends before is refused. A view, good until the next call. */
  async take(count: number): Promise<Uint8Array> {
    const piece = await this.peek(count)
    if (piece.length < count) {
      refuse(
        'vectors-truncated',
        this.#source.name,
        `it ends inside a vector at byte ${this.#source.size}; is it whole?`,
      )
    }
    this.#at += count
    return piece
  }

  async #more(): Promise<void> {
    const rest = this.#held.subarray(this.#at)
    const next = await this.#source.read(this.#read, Math.min(this.#chunk, this.#source.size - this.#read))
    const held = new Uint8Array(rest.length + next.length)
    held.set(rest)
    held.set(next, rest.length)
    this.#held = held
    this.#at = 0
    this.#read += next.length
  }
}
