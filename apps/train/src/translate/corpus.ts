import { HuggingFaceTokenizer, type TokenizerJson, trainBpe } from '@filature/tokenizers'
import type { EncodedPair } from './batches.ts'
import { encodePairs } from './evaluate.ts'
import { type Pair, readPairs, type SplitPairs, splitPairs } from './pairs.ts'
import { specialTokens } from './translator.ts'
import { WordForWord } from './word-for-word.ts'

/** Which pairs, and which of them are held out. */
export interface CorpusChoice {
  readonly data: string
  readonly maxWords: number
  readonly reverse: boolean
  readonly seed: number
  readonly test: number
  readonly vocab: number
}

/** Pairs with their vocabulary and the baseline: the same for every translator that learns from them. */
export interface Corpus {
  readonly sha256: string
  readonly split: SplitPairs
  readonly tokenizer: HuggingFaceTokenizer
  readonly learned: readonly EncodedPair[]
  readonly validation: readonly EncodedPair[]
  /** Tokens of the longest sentence on either side. */
  readonly longest: number
  /** Found when it is first asked for. */
  readonly baseline: () => WordForWord
}

/** @param kept the vocabulary of a run that goes on; learned from the training pairs otherwise */
export async function readCorpus(
  choice: CorpusChoice,
  kept: (name: string, make: () => TokenizerJson) => Promise<TokenizerJson>,
): Promise<Corpus> {
  const { pairs, sha256 } = await readPairs(choice.data, choice)
  const split = splitPairs(pairs, choice)
  const json = await kept('tokenizer.json', () => learnVocabulary(split.train, choice.vocab))
  const tokenizer = new HuggingFaceTokenizer(json)
  const [learned, validation, test] = [split.train, split.validation, split.test].map((part) =>
    encodePairs(tokenizer, part),
  ) as [EncodedPair[], EncodedPair[], EncodedPair[]]
  const longest = [...learned, ...validation, ...test].reduce(
    (most, { source, target }) => Math.max(most, source.length, target.length),
    0,
  )
  let words: WordForWord | undefined
  return {
    sha256,
    split,
    tokenizer,
    learned,
    validation,
    longest,
    baseline: () => (words ??= new WordForWord(split.train)),
  }
}

/** One BPE vocabulary of both languages. */
function learnVocabulary(pairs: readonly Pair[], vocabSize: number): TokenizerJson {
  const texts = pairs.flatMap(({ source, target }) => [source, target])
  return trainBpe(texts, { vocabSize, specialTokens })
}
