/** A finished beam of one prompt. */
export interface Hypothesis {
  /** Prompt and generated tokens, without the end token. */
  readonly ids: Int32Array
  /** Sum of log-probabilities over length ** lengthPenalty, the prompt counted. */
  readonly score: number
}

export interface HypothesisRules {
  readonly numBeams: number
  readonly lengthPenalty: number
  readonly earlyStopping: boolean | 'never'
  readonly maxLength: number
}

/** The best finished beams of one prompt, as the BeamHypotheses of Hugging Face transformers 4.32. */
export class Hypotheses {
  readonly #rules: HypothesisRules
  /** Best first; of equal scores the one found later first. */
  #kept: Hypothesis[] = []

  constructor(rules: HypothesisRules) {
    this.#rules = rules
  }

  add(ids: Int32Array, sumOfLogProbs: number): void {
    const score = sumOfLogProbs / ids.length ** this.#rules.lengthPenalty
    const worst = this.#kept.at(-1)?.score ?? Infinity
    if (this.#kept.length >= this.#rules.numBeams && !(score > worst)) return
    const place = this.#kept.findIndex((other) => score >= other.score)
    this.#kept.splice(place < 0 ? this.#kept.length : place, 0, { ids: ids.slice(), score })
    this.#kept.length = Math.min(this.#kept.length, this.#rules.numBeams)
  }

  /** Whether no beam still going on is to overtake these. `length` counts the token that `best` ends in. */
  isDone(bestSumOfLogProbs: number, length: number): boolean {
    const { numBeams, earlyStopping, lengthPenalty, maxLength } = this.#rules
    if (this.#kept.length < numBeams) return false
    if (earlyStopping === true) return true
    // the best that a going beam can come to; a positive penalty favours length, so 'never' reckons with the greatest
    const reached = earlyStopping === 'never' && lengthPenalty > 0 ? maxLength : length
    return this.#kept.at(-1)!.score >= bestSumOfLogProbs / reached ** lengthPenalty
  }

  /** The `count` best. */
  best(count: number): readonly Hypothesis[] {
    return this.#kept.slice(0, count)
  }
}
