import { TokenizerError } from './errors.ts'
import type { SentencePieceModel } from './sentencepiece-model.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const MARK = '▁'

/**
 * The compiled character map of a SentencePiece model: a double-array trie (Darts) over UTF-8, then the replacements,
 * each ended by a zero byte. Units hold: bit 8 "a value follows", bits 10..30 the offset, bit 9 its scale, the low byte
 * (and bit 31) the label.
 */
export class CharacterMap {
  readonly #units: Uint32Array
  readonly #replacements: Uint8Array

  constructor(blob: Uint8Array) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength)
    const size = blob.byteLength >= 4 ? view.getUint32(0, true) : -1
    if (size < 4 || size % 4 !== 0 || size + 4 > blob.byteLength) {
      throw new TokenizerError(
        'malformed-sentencepiece',
        'SentencePiece model: the precompiled character map is cut short.',
      )
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true))
    this.#replacements = blob.subarray(4 + size)
  }

  /** The longest mapped sequence of bytes from `at` on: its length and what it becomes; undefined when none is. */
  longest(bytes: Uint8Array, at: number): { length: number; text: Uint8Array } | undefined {
    let node = offset(this.#units[0]!)
    let found: { length: number; value: number } | undefined
    for (let i = at; i < bytes.length; i++) {
      const label = bytes[i]!
      node ^= label
      const unit = this.#units[node]
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== label) break
      node ^= offset(unit)
      if ((unit >>> 8) & 1) found = { length: i - at + 1, value: (this.#units[node] ?? 0) & 0x7fffffff }
    }
    if (!found) return undefined
    const end = this.#replacements.indexOf(0, found.value)
    return { length: found.length, text: this.#replacements.subarray(found.value, end < 0 ? undefined : end) }
  }
}

const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6)

/** Text as the model's pieces spell it: characters mapped, spaces tidied, `▁` for a space, one in front. */
export class SentencePieceNormalizer {
  readonly #spec: SentencePieceModel['normalizer']
  readonly #suffix: boolean
  readonly #map: CharacterMap | undefined
  /** Matches a user-defined piece, which is kept as it is. */
  readonly #symbols: RegExp | undefined

  constructor(model: SentencePieceModel, symbols: readonly string[]) {
    this.#spec = model.normalizer
    this.#suffix = model.treatWhitespaceAsSuffix
    this.#map = model.normalizer.charsmap.length > 0 ? new CharacterMap(model.normalizer.charsmap) : undefined
    this.#symbols = symbolPattern(symbols)
  }

  normalize(text: string): string {
    const { addDummyPrefix, removeExtraWhitespaces, escapeWhitespaces } = this.#spec
    const space = escapeWhitespaces ? MARK : ' '
    let mapped = this.#mapped(text)
    if (removeExtraWhitespaces) mapped = mapped.replace(/^ +/, '').replace(/ {2,}/g, ' ')
    if (mapped === '') return ''
    let out = mapped.replaceAll(' ', space)
    if (addDummyPrefix && !this.#suffix) out = space + out
    if (removeExtraWhitespaces) while (out.endsWith(space)) out = out.slice(0, -space.length)
    return addDummyPrefix && this.#suffix ? out + space : out
  }

  #mapped(text: string): string {
    if (!this.#map) return text
    if (!this.#symbols) return this.#mapPart(text)
    return text
      .split(this.#symbols)
      .map((part, i) => (i % 2 ? part : this.#mapPart(part)))
      .join('')
  }

  #mapPart(text: string): string {
    const bytes = encoder.encode(text)
    const out: number[] = []
    for (let at = 0; at < bytes.length; ) {
      const found = this.#map!.longest(bytes, at)
      const length = found?.length ?? characterLength(bytes[at]!)
      for (const byte of found?.text ?? bytes.subarray(at, at + length)) out.push(byte)
      at += length
    }
    return decoder.decode(Uint8Array.from(out))
  }
}

const characterLength = (lead: number) => (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4)

/** Splits text at the symbols, the longest first, keeping them at odd places. */
export function symbolPattern(symbols: readonly string[]): RegExp | undefined {
  if (symbols.length === 0) return undefined
  const sorted = [...symbols].sort((a, b) => b.length - a.length)
  return new RegExp(`(${sorted.map((symbol) => symbol.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|')})`, 'u')
}
