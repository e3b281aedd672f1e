import { tokens13a } from './bleu.ts'
import type { Pair } from './pairs.ts'

const ITERATIONS = 5

/**
 * The baseline: each word by its most likely translation t(e | f), found by IBM's model 1 (Brown et al. 1993) with the
 * empty word on the source side, from the training pairs alone. Unknown words stay as they are.
 */
export class WordForWord {
  readonly #best = new Map<string, string>()

  constructor(pairs: readonly Pair[]) {
    const from = new Words()
    const to = new Words()
    const empty = from.id('')
    const sentences = pairs.map(({ source, target }) => ({
      f: [empty, ...tokens13a(source).map((word) => from.id(word))],
      e: tokens13a(target).map((word) => to.id(word)),
    }))
    const { f, e, t } = modelOne(sentences, to.size)
    const found = new Float64Array(from.size)
    for (let i = 0; i < t.length; i++) {
      if (f[i] === empty || t[i]! <= found[f[i]!]!) continue
      found[f[i]!] = t[i]!
      this.#best.set(from.words[f[i]!]!, to.words[e[i]!]!)
    }
  }

  translate(sentence: string): string {
    const word = (token: string) => this.#best.get(token) ?? this.#best.get(token.toLowerCase()) ?? token
    return tokens13a(sentence).map(word).join(' ')
  }
}

class Words {
  readonly words: string[] = []
  readonly #ids = new Map<string, number>()

  get size(): number {
    return this.words.length
  }

  id(word: string): number {
    const known = this.#ids.get(word)
    if (known !== undefined) return known
    this.#ids.set(word, this.words.length)
    return this.words.push(word) - 1
  }
}

interface Sentence {
  /** Source words, the empty one first. */
  readonly f: readonly number[]
  readonly e: readonly number[]
}

/** Expectation maximisation of t(e | f) from equal beginnings. Entry i is of words f[i] and e[i]. */
function modelOne(sentences: readonly Sentence[], V: number): { f: Int32Array; e: Int32Array; t: Float64Array } {
  const count = sentences.reduce((sum, { f, e }) => sum + f.length * e.length, 0)
  const keys = new Float64Array(count) // of all meetings: f V + e
  let n = 0
  for (const { f, e } of sentences) for (const target of e) for (const source of f) keys[n++] = source * V + target
  const distinct = keys.slice().sort()
  let size = 0
  for (let i = 0; i < count; i++) if (i === 0 || distinct[i] !== distinct[i - 1]) distinct[size++] = distinct[i]!
  const entries = distinct.subarray(0, size)
  const entry = Int32Array.from(keys, (key) => place(entries, key))
  const [f, e] = [Int32Array.from(entries, (key) => Math.floor(key / V)), Int32Array.from(entries, (key) => key % V)]

  let t = new Float64Array(size).fill(1)
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const counts = new Float64Array(size)
    n = 0
    for (const sentence of sentences) {
      const width = sentence.f.length
      for (let j = 0; j < sentence.e.length; j++, n += width) {
        let whole = 0
        for (let i = n; i < n + width; i++) whole += t[entry[i]!]!
        for (let i = n; i < n + width; i++) counts[entry[i]!]! += t[entry[i]!]! / whole
      }
    }
    const sums = new Float64Array(f.length ? f[size - 1]! + 1 : 0)
    for (let i = 0; i < size; i++) sums[f[i]!]! += counts[i]!
    t = counts.map((c, i) => c / sums[f[i]!]!)
  }
  return { f, e, t }
}

/** Where `key` stands in a sorted array that has it. */
function place(sorted: Float64Array, key: number): number {
  let low = 0
  let high = sorted.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
