import { type Scalar, tidy } from '@filature/tensor'
import type { HuggingFaceTokenizer } from '@filature/tokenizers'
import { batchOf, type EncodedPair } from './batches.ts'
import { type Bleu, corpusBleu, tokens13a } from './bleu.ts'
import type { Pair } from './pairs.ts'
import { special, type Translator } from './translator.ts'

export function encodePairs(tokenizer: HuggingFaceTokenizer, pairs: readonly Pair[]): EncodedPair[] {
  const ids = (text: string) => tokenizer.encode(text, { parseSpecialTokens: false, addSpecialTokens: false }).ids
  return pairs.map(({ source, target }) => ({
    source: [...ids(source), special.end],
    target: [special.start, ...ids(target), special.end],
  }))
}

/** Mean loss over the pairs, labels smoothed as in training, each batch weighed by its words to say. */
export async function heldOutLoss(translator: Translator, pairs: readonly EncodedPair[]): Promise<{ loss: number }> {
  const sorted = [...pairs].sort((a, b) => a.target.length - b.target.length)
  let sum = 0
  let count = 0
  for (let from = 0; from < sorted.length; from += 64) {
    const batch = batchOf(sorted.slice(from, from + 64), special.pad)
    const loss: Scalar = tidy(() => translator.loss(batch))
    const words = batch.labels.values.reduce((n, id) => n + Number(id !== special.pad), 0)
    sum += (await loss.data())[0]! * words
    count += words
    loss.dispose()
  }
  return { loss: sum / count }
}

export interface LengthBleu {
  /** Words of the source, from and to. */
  readonly from: number
  readonly to: number
  readonly sentences: number
  readonly bleu: number
  readonly baseline: number
}

export interface TranslationTest {
  readonly bleu: Bleu
  readonly baseline: Bleu
  readonly byLength: readonly LengthBleu[]
  readonly examples: readonly { source: string; target: string; translation: string; wordForWord: string }[]
}

/** Translates held-out sentences; BLEU over all of them and by the length of the source. */
export async function testTranslator(
  translator: Translator,
  tokenizer: HuggingFaceTokenizer,
  pairs: readonly Pair[],
  wordForWord: (sentence: string) => string,
  beams: number,
): Promise<TranslationTest> {
  const sources = encodePairs(tokenizer, pairs).map(({ source }) => source)
  const ids = await translator.translate(sources, { beams })
  const translations = ids.map((row) => tokenizer.decode(row, { skipSpecialTokens: true }).trim())
  const plain = pairs.map(({ source }) => wordForWord(source))
  const targets = pairs.map(({ target }) => target)
  return {
    bleu: corpusBleu(translations, targets),
    baseline: corpusBleu(plain, targets),
    byLength: lengthBands(pairs).map(({ from, to, which }) => {
      const pick = (texts: readonly string[]) => which.map((i) => texts[i]!)
      const score = (texts: readonly string[]) => corpusBleu(pick(texts), pick(targets)).score
      return { from, to, sentences: which.length, bleu: score(translations), baseline: score(plain) }
    }),
    examples: pairs.map((pair, i) => ({ ...pair, translation: translations[i]!, wordForWord: plain[i]! })),
  }
}

const BANDS = 5

/** The sentences in bands of about equal number, by length. */
function lengthBands(pairs: readonly Pair[]): { from: number; to: number; which: number[] }[] {
  const lengths = pairs.map(({ source }) => tokens13a(source).length)
  const sorted = [...lengths].sort((a, b) => a - b)
  const edges = [
    ...new Set(Array.from({ length: BANDS - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BANDS)]!)),
  ]
  const bounds = [sorted[0]!, ...edges.filter((edge) => edge > sorted[0]!), sorted.at(-1)! + 1]
  return bounds.slice(1).map((to, i) => {
    const from = bounds[i]!
    return { from, to: to - 1, which: [...lengths.keys()].filter((n) => lengths[n]! >= from && lengths[n]! < to) }
  })
}
