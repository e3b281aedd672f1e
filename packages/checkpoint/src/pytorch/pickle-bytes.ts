import { refuse } from '../refuse.ts'

/** Thrown when a pickle goes on beyond the bytes at hand; whoever has more may try again with them. */
export class MoreBytesNeeded extends Error {}

/** Cursor over the bytes of a pickle. Every length is checked before anything is taken. */
export class PickleBytes {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #who: string
  at: number

  constructor(bytes: Uint8Array, at: number, who: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#who = who
    this.at = at
  }

  /** Moves past `length` bytes, returns where they began. */
  #skip(length: number): number {
    const start = this.at
    if (length > this.#bytes.length - start) throw new MoreBytesNeeded('the pickle ends too early')
    this.at = start + length
    return start
  }

  u8 = (): number => this.#view.getUint8(this.#skip(1))
  u16 = (): number => this.#view.getUint16(this.#skip(2), true)
  u32 = (): number => this.#view.getUint32(this.#skip(4), true)
  i32 = (): number => this.#view.getInt32(this.#skip(4), true)
  /** The one big-endian number of the format. */
  f64 = (): number => this.#view.getFloat64(this.#skip(8), false)

  u64(): number {
    const value = this.#view.getBigUint64(this.#skip(8), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      refuse('pickle-length', this.#who, `a length of ${value} in the pickle.`)
    return Number(value)
  }

  take(length: number): Uint8Array {
    if (length < 0) refuse('pickle-length', this.#who, `a length of ${length} in the pickle.`)
    const start = this.#skip(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** UTF-8 of `length` bytes. */
  text(length: number): string {
    const bytes = this.take(length)
    try {
      return utf8.decode(bytes)
    } catch (cause) {
      refuse('pickle-text', this.#who, 'a string in the pickle is not UTF-8.', cause)
    }
  }

  /** Up to a line feed, which is taken too; 4 KiB at most. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at)
    const length = (end < 0 ? this.#bytes.length : end) - this.at
    if (length > 4096) refuse('pickle-length', this.#who, 'a line beyond 4096 bytes in the pickle.')
    if (end < 0) throw new MoreBytesNeeded('the pickle ends inside a line')
    const text = this.text(length)
    this.at++
    return text
  }

  /** Little-endian two's complement of `length` bytes; a number where it is exact. */
  integer(length: number): number | bigint {
    if (length > 1024) refuse('pickle-length', this.#who, `an integer of ${length} bytes in the pickle.`)
    const bytes = this.take(length)
    let value = 0n
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
    if (length > 0 && bytes[length - 1]! & 0x80) value -= 1n << BigInt(8 * length)
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
