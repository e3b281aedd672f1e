import { BYTE_TO_CHARACTER } from './byte-alphabet.ts'
import { TokenizerError } from './errors.ts'
import { LibrarySplit } from './library.ts'
import { type Pair, PairHeap } from './pair-heap.ts'
import { symbolPattern } from './sentencepiece-normalizer.ts'
import { conform, type TokenizerJson } from './tokenizer-json.ts'

/** GPT-2's words: contractions, letters, digits and other signs, each with at most one space in front. */
const GPT2_WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

export interface TrainBpeOptions {
  /** Tokens in all: special ones, the 256 bytes, merges. Fewer come out when no pair is frequent enough. */
  readonly vocabSize: number
  /** Ids from 0 on; never split and not learned from. */
  readonly specialTokens?: readonly string[]
  /** A pair seen less often is not merged. Default 2. */
  readonly minFrequency?: number
  /** A regular expression whose matches are the words that merges stay inside. Default: GPT-2's. */
  readonly pattern?: string
}

/**
 * Learns a byte-level BPE vocabulary (Sennrich et al. 2016 over bytes, as Radford et al. 2019): starting from bytes, the
 * most frequent pair of neighbours inside words is joined again and again. Pair counts are kept up to date by the words
 * that a merge touches, so that a merge costs what it changes.
 *
 * @param texts Documents; words do not reach across them.
 * @returns A tokenizer.json, for `new HuggingFaceTokenizer(json)` and any other reader of the format.
 */
export function trainBpe(texts: string | Iterable<string>, options: TrainBpeOptions): TokenizerJson {
  const { vocabSize, specialTokens = [], minFrequency = 2, pattern } = options
  const smallest = specialTokens.length + 256
  if (!Number.isInteger(vocabSize) || vocabSize < smallest) {
    throw new TokenizerError(
      'vocab-size',
      `trainBpe: wanted vocabSize of at least ${smallest} (256 bytes and ${specialTokens.length} special tokens), got ${vocabSize}.`,
    )
  }
  const counts = countWords(typeof texts === 'string' ? [texts] : texts, specialTokens, pattern)
  const tokens = [...specialTokens, ...[...BYTE_TO_CHARACTER].sort()]
  const ids = new Map(tokens.map((token, id) => [token, id]))
  if (ids.size !== tokens.length) {
    throw new TokenizerError(
      'special-tokens',
      'trainBpe: special tokens must differ from each other and from single bytes.',
    )
  }
  const byteIds = BYTE_TO_CHARACTER.map((character) => ids.get(character)!)
  const encoder = new TextEncoder()
  const words = [...counts.keys()].map((word) => Array.from(encoder.encode(word), (byte) => byteIds[byte]!))
  const merges = learn(words, [...counts.values()], tokens, ids, vocabSize, minFrequency)
  return describe(tokens, merges, specialTokens, pattern)
}

function countWords(
  texts: Iterable<string>,
  specialTokens: readonly string[],
  pattern: string | undefined,
): Map<string, number> {
  const special = symbolPattern(specialTokens)
  const split = pattern === undefined ? undefined : splitter(pattern)
  const counts = new Map<string, number>()
  const count = (word: string) => counts.set(word, (counts.get(word) ?? 0) + 1)
  for (const text of texts) {
    const parts = special ? text.split(special).filter((_, i) => i % 2 === 0) : [text]
    for (const part of parts) {
      if (split) {
        for (const word of split(part)) count(word)
      } else {
        GPT2_WORDS.lastIndex = 0
        for (let match = GPT2_WORDS.exec(part); match; match = GPT2_WORDS.exec(part)) count(match[0])
      }
    }
  }
  return counts
}

const splitStep = (pattern: string) =>
  ({ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false }) as const

function splitter(pattern: string): (text: string) => string[] {
  const step = conform({
    model: { type: 'BPE', vocab: {}, merges: [] },
    pre_tokenizer: splitStep(pattern),
  }).pre_tokenizer
  const library = new LibrarySplit(step)
  return (text) => library.pre_tokenize_text(text)
}

/** Joins pairs in `words` until `tokens` has `vocabSize` entries; returns the merges. */
function learn(
  words: number[][],
  counts: readonly number[],
  tokens: string[],
  ids: Map<string, number>,
  vocabSize: number,
  minFrequency: number,
): [string, string][] {
  const pairs = new Map<number, Pair>()
  const pairOf = (left: number, right: number): Pair => {
    const key = left * 0x200000 + right
    let pair = pairs.get(key)
    if (!pair) {
      pair = { left, right, count: 0, queued: 0, words: [] }
      pairs.set(key, pair)
    }
    return pair
  }
  const add = (word: number, sign: 1 | -1): void => {
    const symbols = words[word]!
    for (let i = 1; i < symbols.length; i++) {
      const pair = pairOf(symbols[i - 1]!, symbols[i]!)
      pair.count += sign * counts[word]!
      if (sign > 0 && pair.words.at(-1) !== word) pair.words.push(word)
    }
  }
  for (let word = 0; word < words.length; word++) add(word, 1)
  const heap = new PairHeap()
  for (const pair of pairs.values()) heap.push(pair)
  const merges: [string, string][] = []
  while (tokens.length < vocabSize) {
    const best = heap.pop()
    if (!best || best.count < Math.max(1, minFrequency)) break
    const joint = tokens[best.left]! + tokens[best.right]!
    let id = ids.get(joint)
    if (id === undefined) {
      id = tokens.length
      tokens.push(joint)
      ids.set(joint, id)
    }
    merges.push([tokens[best.left]!, tokens[best.right]!])
    const fresh = new Set<Pair>()
    for (const word of new Set(best.words)) {
      const joined = join(words[word]!, best.left, best.right, id)
      if (joined.length === words[word]!.length) continue
      add(word, -1)
      words[word] = joined
      add(word, 1)
      // only pairs with the new symbol can have become more frequent
      for (let i = 1; i < joined.length; i++) {
        if (joined[i] === id || joined[i - 1] === id) fresh.add(pairOf(joined[i - 1]!, joined[i]!))
      }
    }
    best.words.length = 0
    for (const pair of fresh) if (pair.count > 0) heap.push(pair)
  }
  return merges
}

/** Every `left`, `right` beside each other becomes `id`, from the left. */
function join(symbols: readonly number[], left: number, right: number, id: number): number[] {
  const out: number[] = []
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      out.push(id)
      i++
    } else {
      out.push(symbols[i]!)
    }
  }
  return out
}

function describe(
  tokens: readonly string[],
  merges: readonly [string, string][],
  specialTokens: readonly string[],
  pattern: string | undefined,
): TokenizerJson {
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: pattern === undefined }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: pattern === undefined ? bytes : { type: 'Sequence', pretokenizers: [splitStep(pattern), bytes] },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  }
}
