import * as tokenizers from '@huggingface/tokenizers'

// The library's declarations do not resolve under Node's module rules (their imports lack extensions): what is used of
// it is declared here.

/** A whole tokenizer, from a tokenizer.json. */
export interface LibraryTokenizer {
  readonly model: LibraryModel
  readonly decoder: LibraryDecoder | null
  readonly added_tokens: readonly { readonly id: number; readonly content: string; readonly single_word: boolean }[]
  /** By their contents, as they are and normalized. */
  readonly added_tokens_map: ReadonlyMap<string, { readonly single_word: boolean }>
  readonly splitter_unnormalized: LibrarySplitter
  readonly splitter_normalized: LibrarySplitter
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[]; tokens: string[] }
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string
  token_to_id(token: string): number | undefined
  id_to_token(id: number): string | undefined
}

interface LibraryModel {
  /** A BPE model has one, of words. */
  cache?: LibraryCache
  readonly fuse_unk: boolean
  readonly tokens_to_ids: Map<string, number>
  /** The pieces of words. */
  _call(words: readonly string[]): string[]
}

/** Cuts a text at its added tokens. */
interface LibrarySplitter {
  split(text: string): string[]
}

export interface LibraryDecoder {
  /** Of steps that decode bytes. */
  text_decoder?: TextDecoder
  /** Of a sequence. */
  readonly decoders?: readonly LibraryDecoder[]
}

interface LibraryCache {
  get(word: string): string[] | undefined
  put(word: string, pieces: string[]): void
  clear(): void
}

/** Byte-pair encoding of one word. */
export interface LibraryBpe {
  cache: LibraryCache
  /** Rank of a merge, by `JSON.stringify([left, right])`; the lowest is merged first. */
  bpe_ranks: Map<string, number>
  bpe(word: string): string[]
}

/** Unigram segmentation of one word. */
export interface LibraryUnigram {
  unk_score: number
  tokenize(word: string): string[]
}

export interface LibrarySplit {
  pre_tokenize_text(text: string): string[]
}

interface Library {
  readonly Tokenizer: new (json: object, config: object) => LibraryTokenizer
  readonly BPE: new (model: object) => LibraryBpe
  readonly Unigram: new (model: object, eosToken: string) => LibraryUnigram
  readonly SplitPreTokenizer: new (step: object) => LibrarySplit
}

const library = tokenizers as unknown as Library

export const LibraryTokenizer = library.Tokenizer
export const LibraryBpe = library.BPE
export const LibraryUnigram = library.Unigram
export const LibrarySplit = library.SplitPreTokenizer
