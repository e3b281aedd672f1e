import { ConfigError, cast, cos, div, expandDims, mul, sin, type Tensor, type Tensor2D, tensor } from '@filature/tensor'

/** How angles are stretched to reach beyond the trained length. */
export type RotaryScaling =
  /** Positions divided by the factor. */
  | { type: 'linear'; factor: number }
  /** The base grows with the length, beyond `maxPositions` (NTK-aware, as transformers computes it). */
  | { type: 'dynamic'; factor: number; maxPositions: number }
  /** Low frequencies divided by the factor, high ones kept, a ramp between (LLaMA 3.1). */
  | { type: 'llama3'; factor: number; lowFreqFactor: number; highFreqFactor: number; maxPositions: number }

export interface RotaryOptions {
  /** Rotated features R of a head: even. */
  width: number
  base?: number
  scaling?: RotaryScaling | undefined
}

/** Angle per position of each pair (Su et al. 2021): base^(-2i / R), (R / 2), rounded to float32 as the references do. */
export function rotaryFrequencies({ width, base = 10000, scaling }: RotaryOptions, length = 0): Float32Array {
  if (width % 2 !== 0 || width <= 0) {
    throw new ConfigError('rotary-width', `Rotary positions: wanted an even width, got ${width}.`)
  }
  let effective = base
  if (scaling?.type === 'dynamic' && length > scaling.maxPositions) {
    const { factor, maxPositions } = scaling
    effective = base * ((factor * length) / maxPositions - (factor - 1)) ** (width / (width - 2))
  }
  const frequencies = Float32Array.from({ length: width / 2 }, (_, i) => 1 / effective ** ((2 * i) / width))
  return scaling?.type === 'llama3' ? frequencies.map((f) => stretched(f, scaling)) : frequencies
}

function stretched(frequency: number, scaling: Extract<RotaryScaling, { type: 'llama3' }>): number {
  const { factor, lowFreqFactor: low, highFreqFactor: high, maxPositions } = scaling
  const turns = (maxPositions * frequency) / (2 * Math.PI) // within the trained length
  if (turns > high) return frequency
  if (turns < low) return frequency / factor
  const kept = (turns - low) / (high - low)
  return (1 - kept) * (frequency / factor) + kept * frequency
}

/** Cosines and sines of rotary angles, (T, R / 2) or (B, T, R / 2): the constants of tensor's `rotary`. */
export interface RotaryTable {
  cos: Tensor
  sin: Tensor
}

/**
 * Angles of the positions start ... start + count - 1, (count, R / 2). A table is made for one forward pass and serves
 * all of its layers.
 * @param length all positions of the sequence so far, which `dynamic` scaling depends on; start + count by default
 */
export function rotaryTable(
  options: RotaryOptions,
  { count, start = 0, length = start + count }: { count: number; start?: number; length?: number },
): RotaryTable {
  const frequencies = rotaryFrequencies(options, length)
  const half = frequencies.length
  const divisor = options.scaling?.type === 'linear' ? options.scaling.factor : 1
  const cos = new Float32Array(count * half)
  const sin = new Float32Array(count * half)
  for (let p = 0; p < count; p++) {
    const position = Math.fround((start + p) / divisor)
    for (let i = 0; i < half; i++) {
      // the references multiply in float32
      const angle = Math.fround(position * frequencies[i]!)
      cos[p * half + i] = Math.cos(angle)
      sin[p * half + i] = Math.sin(angle)
    }
  }
  return { cos: tensor(cos, [count, half]), sin: tensor(sin, [count, half]) }
}

/**
 * Angles of any position ids, int32 (B, T): left padding, or places of one's own. -> (B, T, R / 2)
 * @param length all positions of the sequence so far, which `dynamic` scaling depends on
 */
export function rotaryTableAt(options: RotaryOptions, positionIds: Tensor2D, length: number): RotaryTable {
  const divisor = options.scaling?.type === 'linear' ? options.scaling.factor : 1
  const positions = div(cast(positionIds, 'float32'), divisor)
  const angles = mul(expandDims(positions, 2), tensor(rotaryFrequencies(options, length)))
  return { cos: cos(angles), sin: sin(angles) }
}
