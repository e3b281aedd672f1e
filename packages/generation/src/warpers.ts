import { ConfigError } from '@filature/tensor'
import type { LogitsProcessor } from './logits-processor.ts'
import { argmax, descending, kthLargest, logSumExp } from './selection.ts'

// What shapes the distribution that is sampled from, as in Hugging Face transformers 4.32 (min-p: 4.39).

const refuse = (option: string, wanted: string, got: unknown): never => {
  throw new ConfigError('generation-option', `generation: wanted ${option} ${wanted}, got ${got}.`)
}

const wholeFrom1 = (option: string, value: number) => {
  if (!Number.isInteger(value) || value < 1) refuse(option, 'to be a whole number from 1', value)
}

/** Scores divided by `value`: below 1 the likely tokens become likelier. */
export function temperature(value: number): LogitsProcessor {
  if (!(value > 0) || value === Infinity)
    refuse('temperature', 'above 0 (for the likeliest token leave out sample)', value)
  return (scores) => {
    for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / value
  }
}

/** Fan et al. 2018: the `k` best tokens stay, and those that tie with the last of them. */
export function topK(k: number, minTokensToKeep = 1): LogitsProcessor {
  wholeFrom1('topK', k)
  wholeFrom1('minTokensToKeep', minTokensToKeep)
  return (scores) => {
    const kept = Math.min(Math.max(k, minTokensToKeep), scores.length)
    const least = kthLargest(scores, kept)
    for (let i = 0; i < scores.length; i++) if (scores[i]! < least) scores[i] = -Infinity
  }
}

/** Holtzman et al. 2020: the fewest best tokens whose probabilities together reach `p` stay. */
export function topP(p: number, minTokensToKeep = 1): LogitsProcessor {
  if (!(p >= 0 && p <= 1)) refuse('topP', 'between 0 and 1', p)
  wholeFrom1('minTokensToKeep', minTokensToKeep)
  return (scores) => {
    const total = logSumExp(scores)
    const kept: [index: number, score: number][] = []
    let mass = 0
    for (const index of descending(scores)) {
      if (mass >= p && kept.length >= minTokensToKeep) break
      kept.push([index, scores[index]!])
      mass += Math.exp(scores[index]! - total)
    }
    keepOnly(scores, kept)
  }
}

/** Tokens at least `share` times as probable as the best one stay; of those kept beyond, ties stay too. */
export function minP(share: number, minTokensToKeep = 1): LogitsProcessor {
  if (!(share >= 0 && share <= 1)) refuse('minP', 'between 0 and 1', share)
  wholeFrom1('minTokensToKeep', minTokensToKeep)
  return (scores) => {
    const least = scores[argmax(scores)]! + Math.log(share)
    const bound =
      minTokensToKeep === 1 ? least : Math.min(least, kthLargest(scores, Math.min(minTokensToKeep, scores.length)))
    for (let i = 0; i < scores.length; i++) if (scores[i]! < bound) scores[i] = -Infinity
  }
}

/**
 * Meister et al. 2023: tokens whose surprise is nearest to the entropy stay, as many as reach `mass` together, with
 * those that tie with the last.
 */
export function typicalP(mass: number, minTokensToKeep = 1): LogitsProcessor {
  if (!(mass > 0 && mass < 1)) refuse('typicalP', 'between 0 and 1, both excluded', mass)
  wholeFrom1('minTokensToKeep', minTokensToKeep)
  return (scores) => {
    const total = logSumExp(scores)
    let entropy = 0
    for (const score of scores) if (score > -Infinity) entropy -= Math.exp(score - total) * (score - total)
    // nearness to the entropy, in float32 as the reference has it, so that ties are its ties
    const nearness = Float32Array.from(scores, (score) => -Math.abs(Math.fround(total - score) - Math.fround(entropy)))
    const kept: [index: number, score: number][] = []
    let sum = 0
    let last = Infinity
    for (const index of descending(nearness)) {
      if (sum >= mass && nearness[index]! < last && kept.length >= minTokensToKeep) break
      if (sum < mass) last = nearness[index]!
      kept.push([index, scores[index]!])
      sum += Math.exp(scores[index]! - total)
    }
    keepOnly(scores, kept)
  }
}

function keepOnly(scores: Float32Array, kept: readonly (readonly [index: number, score: number])[]): void {
  scores.fill(-Infinity)
  for (const [index, score] of kept) scores[index] = score
}
