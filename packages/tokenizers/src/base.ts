import { padded } from './batch.ts'
import { DecodeStream } from './decode-stream.ts'
import { TokenizerError } from './errors.ts'
import type { Template } from './template.ts'
import type {
  Batch,
  BatchOptions,
  DecodeOptions,
  EncodeOptions,
  Encoding,
  Offset,
  SpecialIds,
  Tokenizer,
} from './tokenizer.ts'

/** The tokens of one text, without added special tokens. */
export interface Content {
  readonly ids: number[]
  readonly offsets: Offset[] | undefined
}

/** What all tokenizers do alike around the tokens of a text: special tokens, pairs, truncation, padding, streaming. */
export abstract class BaseTokenizer implements Tokenizer {
  abstract readonly vocabSize: number
  abstract readonly special: SpecialIds
  abstract readonly specialIds: ReadonlySet<number>
  /** How special tokens surround a text. */
  abstract readonly template: Template
  readonly truncationSide: 'left' | 'right' = 'right'
  readonly paddingSide: 'left' | 'right' = 'right'

  abstract idToToken(id: number): string | undefined
  abstract tokenToId(token: string): number | undefined
  /** Tokens of one text. `offsets` undefined unless asked for. */
  protected abstract content(text: string, parseSpecialTokens: boolean, offsets: boolean): Content
  /** `ids` are inside the vocabulary, and without special tokens where they were to be skipped. */
  protected abstract text(ids: readonly number[], options: DecodeOptions): string

  encode(text: string, options: EncodeOptions = {}): Encoding {
    const { pair, addSpecialTokens = true, parseSpecialTokens = true, offsets = false, maxLength } = options
    const contents = [this.content(text, parseSpecialTokens, offsets)]
    if (pair !== undefined) contents.push(this.content(pair, parseSpecialTokens, offsets))
    const items = (pair === undefined ? this.template.single : this.template.pair).filter(
      (item) => addSpecialTokens || 'text' in item,
    )
    if (maxLength !== undefined) {
      const added = items.reduce((sum, item) => sum + ('special' in item ? item.special.length : 0), 0)
      truncate(
        contents,
        maxLength - added,
        options.truncate ?? 'longest-first',
        options.truncationSide ?? this.truncationSide,
      )
    }
    const out = { ids: [] as number[], typeIds: [] as number[], sources: [] as number[], offsets: [] as Offset[] }
    for (const item of items) {
      const { ids, offsets: places } = 'text' in item ? contents[item.text]! : { ids: item.special, offsets: undefined }
      for (let i = 0; i < ids.length; i++) {
        out.ids.push(ids[i]!)
        out.typeIds.push(item.typeId)
        out.sources.push('text' in item ? item.text : -1)
        if (offsets) out.offsets.push(places?.[i] ?? [0, 0])
      }
    }
    const { offsets: places, ...rest } = out
    return offsets ? { ...rest, offsets: places } : rest
  }

  encodeBatch(texts: readonly (string | readonly [text: string, pair: string])[], options: BatchOptions = {}): Batch {
    const encodings = texts.map((text) =>
      typeof text === 'string' ? this.encode(text, options) : this.encode(text[0], { ...options, pair: text[1] }),
    )
    return padded(encodings, {
      padding: options.padding ?? 'longest',
      side: options.paddingSide ?? this.paddingSide,
      padId: options.padId ?? this.special.pad,
      multipleOf: options.multipleOf ?? 1,
    })
  }

  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const kept: number[] = []
    for (const id of ids) {
      if (!Number.isInteger(id) || id < 0 || id >= this.vocabSize) {
        throw new TokenizerError(
          'id-range',
          `decode: wanted token ids from 0 to ${this.vocabSize - 1}, got ${id}; is this the model's own tokenizer?`,
        )
      }
      if (!options.skipSpecialTokens || !this.specialIds.has(id)) kept.push(id)
    }
    return kept.length === 0 ? '' : this.text(kept, options)
  }

  decodeStream(options: DecodeOptions = {}): DecodeStream {
    return new DecodeStream((ids) => this.decode(ids, options))
  }
}

/** Cuts the contents in place until they have `room` tokens together. */
function truncate(
  contents: Content[],
  room: number,
  which: 'longest-first' | 'first' | 'second',
  side: 'left' | 'right',
): void {
  const excess = contents.reduce((sum, { ids }) => sum + ids.length, 0) - room
  if (excess <= 0) return
  const lengths = contents.map(({ ids }) => ids.length)
  if (contents.length === 1) {
    lengths[0]! -= excess
  } else if (which === 'longest-first') {
    const [first, second] = lengths as [number, number]
    // one token at a time from the longer, the second on a tie: the difference first, then in turns
    const difference = Math.min(excess, Math.abs(first - second))
    const rest = excess - difference
    lengths[0] = first - (first > second ? difference : 0) - Math.floor(rest / 2)
    lengths[1] = second - (second > first ? difference : 0) - Math.ceil(rest / 2)
  } else {
    lengths[which === 'first' ? 0 : 1]! -= excess
  }
  if (lengths.some((length) => length < 0)) {
    throw new TokenizerError(
      'max-length',
      `encode: maxLength leaves room for ${room} tokens of the text, and truncate: '${which}' cannot cut ${excess} tokens; ` +
        'raise maxLength or cut the other text.',
    )
  }
  for (const [i, { ids, offsets }] of contents.entries()) {
    const [from, to] = side === 'right' ? [0, lengths[i]!] : [ids.length - lengths[i]!, ids.length]
    contents[i] = { ids: ids.slice(from, to), offsets: offsets?.slice(from, to) }
  }
}
