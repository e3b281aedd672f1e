import type { DecodeStream } from './decode-stream.ts'

/** Where a token came from: start and end (excluded) in UTF-16 units of the text; [0, 0] for an added special token. */
export type Offset = readonly [start: number, end: number]

/** The tokens that a model gives a meaning of its own, by role. */
export interface SpecialIds {
  readonly bos?: number
  readonly eos?: number
  readonly unk?: number
  readonly pad?: number
  readonly cls?: number
  readonly sep?: number
  readonly mask?: number
}

export interface EncodeOptions {
  /** The second text of a pair (BERT: sentence B, or the context of a question). */
  readonly pair?: string | undefined
  /** Surround the text with the tokens that the model was trained with, such as bos or [CLS] and [SEP]. Default true. */
  readonly addSpecialTokens?: boolean
  /**
   * Read the names of special tokens inside the text, such as `</s>`, as those tokens. Default true; false for text
   * that users wrote, who could otherwise end a prompt or impersonate a role.
   */
  readonly parseSpecialTokens?: boolean
  /** At most so many tokens, special ones included; longer texts are cut. Default: no limit. */
  readonly maxLength?: number | undefined
  /** The end of a text from which tokens are cut. Default: what the tokenizer's configuration says, else `right`. */
  readonly truncationSide?: 'left' | 'right' | undefined
  /** What of a pair is cut: token by token from the longer one (default), or one of both only. */
  readonly truncate?: 'longest-first' | 'first' | 'second' | undefined
  /** Compute `offsets`. Default false. */
  readonly offsets?: boolean
}

export interface Encoding {
  /** Token ids, (T). */
  readonly ids: number[]
  /** Segment of each token, (T): 0 and 1 for the two texts of a BERT pair. */
  readonly typeIds: number[]
  /** The text that each token came from, (T): 0 the first, 1 the second, -1 an added special token. */
  readonly sources: number[]
  /** Present when asked for. */
  readonly offsets?: Offset[]
}

export interface BatchOptions extends Omit<EncodeOptions, 'pair'> {
  /** Pad to the longest row (default), or to exactly so many tokens; false: all rows must come out equally long. */
  readonly padding?: 'longest' | number | false
  /** Default: what the tokenizer's configuration says, else `right`. Decoders that generate want `left`. */
  readonly paddingSide?: 'left' | 'right' | undefined
  /** Fill with this id. Default: the tokenizer's pad token. */
  readonly padId?: number | undefined
  /** Round the width up to a multiple. */
  readonly multipleOf?: number
}

/** Rows of equal width, flat and row-major. */
export interface Batch {
  /** (B, T) */
  readonly shape: readonly [rows: number, width: number]
  /** Token ids, (B, T). */
  readonly ids: Int32Array
  /** 1 at tokens, 0 at padding, (B, T). */
  readonly attentionMask: Int32Array
  /** Segments, 0 at padding, (B, T). */
  readonly typeIds: Int32Array
  /** The rows before padding. */
  readonly encodings: readonly Encoding[]
}

export interface DecodeOptions {
  /** Leave special tokens out. Default false. */
  readonly skipSpecialTokens?: boolean
  /**
   * Remove the spaces before `.`, `,`, `?`, `!` and English contractions that WordPiece's decoder would leave. Default:
   * what the tokenizer's configuration says, else only for WordPiece, unless its decoder has `cleanup: false`.
   */
  readonly cleanUpSpaces?: boolean | undefined
}

/** Text to ids and back. */
export interface Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number
  readonly special: SpecialIds
  /** The ids that `skipSpecialTokens` leaves out. */
  readonly specialIds: ReadonlySet<number>

  encode(text: string, options?: EncodeOptions): Encoding
  encodeBatch(texts: readonly (string | readonly [text: string, pair: string])[], options?: BatchOptions): Batch
  decode(ids: Iterable<number>, options?: DecodeOptions): string
  /** Decodes ids one at a time, holding back what a later token may still change (a part of a UTF-8 character). */
  decodeStream(options?: DecodeOptions): DecodeStream

  idToToken(id: number): string | undefined
  tokenToId(token: string): number | undefined
}
