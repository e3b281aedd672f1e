import { ConfigError } from '@filature/tensor'

/** How angles are stretched to reach beyond the trained length, `maxPositions`. */
export type RotaryScaling =
  /** Positions divided by the factor. */
  | { type: 'linear'; factor: number }
  /** The base grows with the length, beyond `maxPositions` (NTK-aware, as transformers computes it). */
  | { type: 'dynamic'; factor: number; maxPositions: number }
  /** Low frequencies divided by the factor, high ones kept, a ramp between (LLaMA 3.1). */
  | { type: 'llama3'; factor: number; lowFreqFactor: number; highFreqFactor: number; maxPositions: number }
  | YarnScaling
  | LongRopeScaling

/** The same by turns within the trained length, and scores sharpened (YaRN, Peng et al. 2023). */
export interface YarnScaling {
  type: 'yarn'
  factor: number
  maxPositions: number
  /** Pairs that turn more often are kept; 32 by default. */
  betaFast?: number
  /** Pairs that turn less often are divided by the factor; 1 by default. */
  betaSlow?: number
  /** Whether the ramp begins and ends at whole pairs; it does by default. */
  truncate?: boolean
  /** What cosines and sines are multiplied by; 1 + 0.1 ln(factor) by default. */
  attentionFactor?: number
}

/** Each frequency divided by a factor of its own, which a search has found (LongRoPE, Ding et al. 2024). */
export interface LongRopeScaling {
  type: 'longrope'
  /** One for each pair, for sequences within the trained length. */
  shortFactors: readonly number[]
  /** And for longer ones. */
  longFactors: readonly number[]
  maxPositions: number
  /** What cosines and sines are multiplied by. */
  attentionFactor: number
}

export interface RotaryOptions {
  /** Rotated features R of a head: even. */
  width: number
  base?: number
  scaling?: RotaryScaling | undefined
}

/**
 * Angle per position of each pair (Su et al. 2021): base^(-2i / R), (R / 2), rounded to float32 as the references do.
 * @param length of the sequence, which `dynamic` and `longrope` depend on
 */
export function rotaryFrequencies({ width, base = 10000, scaling }: RotaryOptions, length = 0): Float32Array {
  if (width % 2 !== 0 || width <= 0) {
    throw new ConfigError('rotary-width', `Rotary positions: wanted an even width, got ${width}.`)
  }
  const pairs = (of: (plain: number, i: number) => number, from = base) =>
    Float32Array.from({ length: width / 2 }, (_, i) => of(1 / from ** ((2 * i) / width), i))
  switch (scaling?.type) {
    case 'dynamic':
      return pairs((f) => f, length > scaling.maxPositions ? grown(base, scaling, width, length) : base)
    case 'llama3':
      return pairs((f) => stretched(Math.fround(f), scaling))
    case 'yarn': {
      const divided = yarnRamp(scaling, width, base)
      return pairs((f, i) => (divided(i) * f) / scaling.factor + (1 - divided(i)) * f)
    }
    case 'longrope': {
      const { longFactors, shortFactors, maxPositions } = scaling
      const factors = length > maxPositions ? longFactors : shortFactors
      if (factors.length !== width / 2) {
        throw new ConfigError(
          'rotary-factors',
          `Rotary positions: wanted ${width / 2} factors for a width of ${width}, got ${factors.length}.`,
        )
      }
      return pairs((f, i) => f / factors[i]!)
    }
    case 'linear': // stretches the positions instead
    case undefined:
      return pairs((f) => f)
    default:
      throw new ConfigError(
        'rotary-scaling',
        `Rotary positions: wanted a scaling of type linear, dynamic, llama3, yarn or longrope, got ${JSON.stringify(scaling)}.`,
      )
  }
}

/** What cosines and sines are multiplied by. */
export function attentionFactor(scaling: RotaryScaling | undefined): number {
  if (scaling?.type === 'longrope') return scaling.attentionFactor
  if (scaling?.type === 'yarn') return scaling.attentionFactor ?? yarnFactor(scaling.factor)
  return 1
}

/** 1 + 0.1 m ln(factor), the temperature of scores that YaRN found. */
export const yarnFactor = (factor: number, m = 1): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1)

function grown(base: number, scaling: { factor: number; maxPositions: number }, width: number, length: number): number {
  const { factor, maxPositions } = scaling
  return base * ((factor * length) / maxPositions - (factor - 1)) ** (width / (width - 2))
}

function stretched(frequency: number, scaling: Extract<RotaryScaling, { type: 'llama3' }>): number {
  const { factor, lowFreqFactor: low, highFreqFactor: high, maxPositions } = scaling
  const turns = (maxPositions * frequency) / (2 * Math.PI) // within the trained length
  if (turns > high) return frequency
  if (turns < low) return frequency / factor
  const kept = (turns - low) / (high - low)
  return (1 - kept) * (frequency / factor) + kept * frequency
}

/** How much of pair i is divided by the factor: 0 below the pair of betaFast turns, 1 above that of betaSlow. */
function yarnRamp(scaling: YarnScaling, width: number, base: number): (i: number) => number {
  const { maxPositions, betaFast = 32, betaSlow = 1, truncate = true } = scaling
  const pairOf = (turns: number) => (width * Math.log(maxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(base))
  const [low, high] = [pairOf(betaFast), pairOf(betaSlow)]
  const begin = Math.max(truncate ? Math.floor(low) : low, 0)
  const end = Math.min(truncate ? Math.ceil(high) : high, width - 1)
  const across = end === begin ? 0.001 : end - begin
  return (i) => Math.min(1, Math.max(0, (i - begin) / across))
}
