import { BaseTokenizer, type Content } from './base.ts'
import { TokenizerError } from './errors.ts'
import { PieceType, parseSentencePiece, type SentencePieceModel } from './sentencepiece-model.ts'
import { SentencePieceNormalizer, symbolPattern } from './sentencepiece-normalizer.ts'
import { bpePieces, unigramPieces } from './sentencepiece-search.ts'
import { surround, type Template } from './template.ts'
import type { SpecialIds } from './tokenizer.ts'
import { WordCache } from './word-cache.ts'

const MARK = '▁'
const REPLACEMENT = '\uFFFD'
const encoder = new TextEncoder()
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export interface SentencePieceOptions {
  /** Put the bos token in front of a text. Default: true when the model has one, as LLaMA wants it. */
  readonly addBos?: boolean | undefined
  /** Put the eos token behind a text. Default false; T5 wants it. */
  readonly addEos?: boolean | undefined
  /** Id that pads batches. Default: the model's own pad piece. */
  readonly padId?: number | undefined
  readonly paddingSide?: 'left' | 'right' | undefined
}

/** A SentencePiece model, BPE or unigram, encoding and decoding as the reference library does. */
export class SentencePieceTokenizer extends BaseTokenizer {
  readonly model: SentencePieceModel
  readonly special: SpecialIds
  readonly specialIds: ReadonlySet<number>
  readonly template: Template
  override readonly paddingSide: 'left' | 'right'
  /** Every piece by its text. */
  readonly #ids: ReadonlyMap<string, number>
  /** Those that text can be cut into: the normal and the user-defined. */
  readonly #pieces = new Map<string, number>()
  readonly #bytes: readonly number[] | undefined
  readonly #normalizer: SentencePieceNormalizer
  readonly #search: (word: string) => readonly string[]
  readonly #symbols: RegExp | undefined
  readonly #specials: RegExp | undefined
  /** Cuts text where no piece can reach across, so that words are looked up one by one. */
  readonly #words: RegExp | undefined
  readonly #cache = new WordCache<readonly number[]>()

  /** @param source The bytes of a `.model` file, or its parsed contents. */
  constructor(source: Uint8Array | SentencePieceModel, options: SentencePieceOptions = {}) {
    super()
    const model = source instanceof Uint8Array ? parseSentencePiece(source) : source
    this.model = model
    const { pieces } = model
    if (pieces.some(({ type }) => type === PieceType.unused)) {
      throw new TokenizerError(
        'unsupported-sentencepiece',
        'SentencePiece model: unused pieces are not supported; export the model without a restricted vocabulary.',
      )
    }
    const ids = new Map<string, number>()
    for (const [id, { piece, type }] of pieces.entries()) {
      if (!ids.has(piece)) ids.set(piece, id)
      if (type === PieceType.normal || type === PieceType.userDefined) this.#pieces.set(piece, id)
    }
    this.#ids = ids
    const symbols = pieces.filter(({ type }) => type === PieceType.userDefined).map(({ piece }) => piece)
    this.#symbols = symbolPattern(symbols)
    this.#normalizer = new SentencePieceNormalizer(model, symbols)
    this.#bytes = model.byteFallback
      ? byteIds(pieces.map(({ piece, type }) => (type === PieceType.byte ? piece : '')))
      : undefined
    this.#search = model.type === 'bpe' ? bpePieces(pieces) : unigramPieces(pieces)
    const across = [...this.#pieces.keys()].some((piece) => /[^▁]▁/.test(piece))
    this.#words = across || symbols.length > 0 ? undefined : /▁*[^▁]+|▁+/gu
    const { unk, bos, eos, pad } = model.ids
    const padId = options.padId ?? (pad < 0 ? undefined : pad)
    this.special = {
      unk,
      ...(bos < 0 ? {} : { bos }),
      ...(eos < 0 ? {} : { eos }),
      ...(padId === undefined ? {} : { pad: padId }),
    }
    this.specialIds = new Set([unk, ...pieces.flatMap(({ type }, id) => (type === PieceType.control ? [id] : []))])
    this.#specials = symbolPattern([...this.specialIds].map((id) => pieces[id]!.piece))
    this.template = surround(
      (options.addBos ?? true) ? this.special.bos : undefined,
      options.addEos ? this.special.eos : undefined,
    )
    this.paddingSide = options.paddingSide ?? 'right'
  }

  get vocabSize(): number {
    return this.model.pieces.length
  }

  idToToken(id: number): string | undefined {
    return this.model.pieces[id]?.piece
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token)
  }

  protected content(text: string, parseSpecialTokens: boolean, offsets: boolean): Content {
    if (offsets) {
      throw new TokenizerError(
        'offsets-unavailable',
        'encode: a SentencePiece model gives no offsets; encode without them.',
      )
    }
    const ids: number[] = []
    const parts = parseSpecialTokens && this.#specials ? text.split(this.#specials) : [text]
    for (const [i, part] of parts.entries()) {
      if (i % 2) ids.push(this.#ids.get(part)!)
      else this.#encode(part, ids)
    }
    return { ids, offsets: undefined }
  }

  #encode(text: string, out: number[]): void {
    const normalized = this.#normalizer.normalize(text)
    const start = out.length
    if (this.#words) {
      for (const word of normalized.match(this.#words) ?? []) for (const id of this.#word(word)) out.push(id)
    } else {
      const parts = this.model.type === 'bpe' && this.#symbols ? normalized.split(this.#symbols) : [normalized]
      for (const [i, part] of parts.entries()) {
        if (i % 2) out.push(this.#pieces.get(part)!)
        else if (part !== '') for (const piece of this.#search(part)) for (const id of this.#idsOf(piece)) out.push(id)
      }
    }
    if (!this.#bytes) joinUnknown(out, start, this.model.ids.unk)
  }

  #word(word: string): readonly number[] {
    const known = this.#cache.get(word)
    if (known) return known
    const ids = this.#search(word).flatMap((piece) => this.#idsOf(piece))
    this.#cache.put(word, ids)
    return ids
  }

  #idsOf(piece: string): number[] {
    const id = this.#pieces.get(piece)
    if (id !== undefined) return [id]
    return this.#bytes ? Array.from(encoder.encode(piece), (byte) => this.#bytes![byte]!) : [this.model.ids.unk]
  }

  protected text(ids: readonly number[]): string {
    const { addDummyPrefix, removeExtraWhitespaces } = this.model.normalizer
    let out = ''
    let atStart = addDummyPrefix || removeExtraWhitespaces
    let bytes: number[] = []
    for (const id of ids) {
      const { piece, type } = this.model.pieces[id]!
      if (type === PieceType.byte) {
        bytes.push(Number.parseInt(piece.slice(3, 5), 16))
        continue
      }
      out += utf8(bytes)
      bytes = []
      if (type === PieceType.control) continue
      let surface = type === PieceType.unknown ? this.model.unkSurface : piece
      atStart &&= out === ''
      if (atStart && surface.startsWith(MARK)) {
        surface = surface.slice(MARK.length)
        atStart = removeExtraWhitespaces
      }
      out += surface.replaceAll(MARK, ' ')
    }
    return out + utf8(bytes)
  }
}

/** Neighbouring unknown tokens count as one. */
function joinUnknown(ids: number[], start: number, unk: number): void {
  let to = start
  for (let from = start; from < ids.length; from++) {
    if (ids[from] !== unk || from === start || ids[from - 1] !== unk) ids[to++] = ids[from]!
  }
  ids.length = to
}

function byteIds(pieces: readonly string[]): number[] {
  const ids = Array.from({ length: 256 }, (_, byte) =>
    pieces.indexOf(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  )
  if (ids.includes(-1)) {
    throw new TokenizerError(
      'malformed-sentencepiece',
      'SentencePiece model: byte_fallback is set but not all 256 byte pieces are there.',
    )
  }
  return ids
}

/** UTF-8 to text; each byte that belongs to no character becomes U+FFFD by itself. */
function utf8(bytes: readonly number[]): string {
  let out = ''
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    try {
      out += strict.decode(Uint8Array.from(bytes.slice(at, at + length)))
      at += length
    } catch {
      out += REPLACEMENT
      at++
    }
  }
  return out
}
