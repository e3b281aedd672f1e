import { refuse } from '../refuse.ts'

/** Thrown when the header goes on beyond the bytes at hand. */
export class EndOfWindow extends Error {}

const maxString = 1 << 28
const maxArray = 1 << 26
const maxArrayDepth = 4

/** Cursor over a GGUF header. Every length is checked before anything is taken. */
export class GgufBytes {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #who: string
  at = 0

  constructor(bytes: Uint8Array, who: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#who = who
  }

  #skip(length: number): number {
    const start = this.at
    if (length > this.#bytes.length - start) throw new EndOfWindow('the header ends too early')
    this.at = start + length
    return start
  }

  magic(): string {
    const start = this.#skip(4)
    return String.fromCharCode(...this.#bytes.subarray(start, start + 4))
  }

  u32 = (): number => this.#view.getUint32(this.#skip(4), true)

  u64(): number {
    const value = this.#view.getBigUint64(this.#skip(8), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse('gguf-number', this.#who, `a size or offset of ${value}.`)
    return Number(value)
  }

  length(what: string, most: number): number {
    const value = this.#view.getBigUint64(this.#skip(8), true)
    if (value > BigInt(most)) refuse('gguf-length', this.#who, `it claims ${value} ${what}; at most ${most} are read.`)
    return Number(value)
  }

  string(): string {
    const length = this.length('bytes of a string', maxString)
    const start = this.#skip(length)
    try {
      return utf8.decode(this.#bytes.subarray(start, start + length))
    } catch (cause) {
      refuse('gguf-text', this.#who, 'a string is not UTF-8.', cause)
    }
  }

  /** A metadata value by its type number; 64-bit integers come as numbers where that is exact. */
  value(type: number, depth = 0): unknown {
    const view = this.#view
    switch (type) {
      case 0:
        return view.getUint8(this.#skip(1))
      case 1:
        return view.getInt8(this.#skip(1))
      case 2:
        return view.getUint16(this.#skip(2), true)
      case 3:
        return view.getInt16(this.#skip(2), true)
      case 4:
        return view.getUint32(this.#skip(4), true)
      case 5:
        return view.getInt32(this.#skip(4), true)
      case 6:
        return view.getFloat32(this.#skip(4), true)
      case 7: {
        const value = view.getUint8(this.#skip(1))
        return value <= 1 ? value === 1 : refuse('gguf-bool', this.#who, `a truth value of ${value}.`)
      }
      case 8:
        return this.string()
      case 9:
        return this.#array(depth)
      case 10:
        return exact(view.getBigUint64(this.#skip(8), true))
      case 11:
        return exact(view.getBigInt64(this.#skip(8), true))
      case 12:
        return view.getFloat64(this.#skip(8), true)
    }
    refuse('gguf-value-type', this.#who, `a metadata value of unknown type ${type}.`)
  }

  #array(depth: number): unknown[] {
    if (depth >= maxArrayDepth) refuse('gguf-depth', this.#who, `arrays nest deeper than ${maxArrayDepth} levels.`)
    const type = this.u32()
    const length = this.length('elements of an array', maxArray)
    const out: unknown[] = []
    for (let i = 0; i < length; i++) out.push(this.value(type, depth + 1))
    return out
  }
}

const exact = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value)

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
