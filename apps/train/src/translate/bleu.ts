/**
 * BLEU (Papineni et al. 2002) of a corpus with one reference a sentence, by sacreBLEU's definition (Post 2018): mteval
 * v13a tokens, n-grams up to 4, case as it is, exponential smoothing.
 */
export interface Bleu {
  /** 0 to 100. */
  readonly score: number
  /** Percent of n-grams of length 1 to 4 that are right, smoothed. */
  readonly precisions: readonly number[]
  readonly brevityPenalty: number
  readonly hypothesisLength: number
  readonly referenceLength: number
}

/** In the form in which sacreBLEU says how a score was computed. */
export const BLEU_SIGNATURE = 'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|impl:filature'

const ORDER = 4
const entities: Readonly<Record<string, string>> = { '&quot;': '"', '&amp;': '&', '&lt;': '<', '&gt;': '>' }

/** Tokens as NIST's mteval v13a makes them: signs stand alone, except . and , between digits, ' and - after letters. */
export function tokens13a(line: string): string[] {
  const plain = line
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&')
    .replace(/&lt;|&gt;/g, (entity) => entities[entity]!)
  return ` ${plain} `
    .replace(/[{-~[-` -&(-+:-@/]/g, ' $& ')
    .replace(/([^0-9])([.,])/g, '$1 $2 ')
    .replace(/([.,])([^0-9])/g, ' $1 $2')
    .replace(/([0-9])(-)/g, '$1 $2 ')
    .split(/\s+/)
    .filter((token) => token !== '')
}

export function corpusBleu(hypotheses: readonly string[], references: readonly string[]): Bleu {
  if (hypotheses.length !== references.length) {
    throw new RangeError(
      `corpusBleu: wanted as many references as hypotheses, got ${references.length} and ${hypotheses.length}.`,
    )
  }
  const right = Array<number>(ORDER).fill(0)
  const total = Array<number>(ORDER).fill(0)
  let hypothesisLength = 0
  let referenceLength = 0
  hypotheses.forEach((hypothesis, i) => {
    const said = tokens13a(hypothesis)
    const wanted = tokens13a(references[i]!)
    hypothesisLength += said.length
    referenceLength += wanted.length
    for (let n = 1; n <= ORDER; n++) {
      total[n - 1]! += Math.max(0, said.length - n + 1)
      const allowed = ngrams(wanted, n)
      for (const [gram, count] of ngrams(said, n)) right[n - 1]! += Math.min(count, allowed.get(gram) ?? 0)
    }
  })
  const brevityPenalty =
    hypothesisLength === 0
      ? 0
      : hypothesisLength < referenceLength
        ? Math.exp(1 - referenceLength / hypothesisLength)
        : 1
  const precisions = smoothed(right, total)
  // A corpus too short for some n-gram, or without one right word, scores 0: no effective order.
  const possible = right[0]! > 0 && precisions.every((p) => p > 0)
  const logarithm = precisions.reduce((sum, p) => sum + Math.log(p), 0) / ORDER
  const score = possible ? brevityPenalty * Math.exp(logarithm) : 0
  return { score, precisions, brevityPenalty, hypothesisLength, referenceLength }
}

/** The k-th precision without a hit becomes 1 / (2^k total) (Chen and Cherry 2014, smoothing 3). */
function smoothed(right: readonly number[], total: readonly number[]): number[] {
  let halved = 1
  return right.map((hits, i) => {
    if (total[i] === 0) return 0
    if (hits === 0) halved *= 2
    return (100 * (hits || 1 / halved)) / total[i]!
  })
}

function ngrams(tokens: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let i = 0; i + n <= tokens.length; i++) {
    const gram = tokens.slice(i, i + n).join(' ')
    counts.set(gram, (counts.get(gram) ?? 0) + 1)
  }
  return counts
}
