import { cast, cos, div, expandDims, mul, sin, type Tensor, type Tensor2D, tensor } from '@filature/tensor'
import { attentionFactor, type RotaryOptions, rotaryFrequencies } from './rotary-frequencies.ts'

/** Cosines and sines of rotary angles, (T, R / 2) or (B, T, R / 2): the constants of tensor's `rotary`. */
export interface RotaryTable {
  cos: Tensor
  sin: Tensor
}

/**
 * Angles of the positions start ... start + count - 1, (count, R / 2). A table is made for one forward pass and serves
 * all of its layers.
 * @param length all positions of the sequence so far, which `dynamic` and `longrope` depend on; start + count by default
 */
export function rotaryTable(
  options: RotaryOptions,
  { count, start = 0, length = start + count }: { count: number; start?: number; length?: number },
): RotaryTable {
  const frequencies = rotaryFrequencies(options, length)
  const half = frequencies.length
  const factor = attentionFactor(options.scaling)
  const divisor = options.scaling?.type === 'linear' ? options.scaling.factor : 1
  const cos = new Float32Array(count * half)
  const sin = new Float32Array(count * half)
  for (let p = 0; p < count; p++) {
    const position = Math.fround((start + p) / divisor)
    for (let i = 0; i < half; i++) {
      // the references multiply in float32
      const angle = Math.fround(position * frequencies[i]!)
      cos[p * half + i] = factor * Math.cos(angle)
      sin[p * half + i] = factor * Math.sin(angle)
    }
  }
  return { cos: tensor(cos, [count, half]), sin: tensor(sin, [count, half]) }
}

/**
 * Angles of any position ids, int32 (B, T): left padding, or places of one's own. -> (B, T, R / 2)
 * @param length all positions of the sequence so far, which `dynamic` and `longrope` depend on
 */
export function rotaryTableAt(options: RotaryOptions, positionIds: Tensor2D, length: number): RotaryTable {
  const divisor = options.scaling?.type === 'linear' ? options.scaling.factor : 1
  const positions = div(cast(positionIds, 'float32'), divisor)
  const angles = mul(expandDims(positions, 2), tensor(rotaryFrequencies(options, length)))
  const factor = attentionFactor(options.scaling)
  return factor === 1
    ? { cos: cos(angles), sin: sin(angles) }
    : { cos: mul(cos(angles), factor), sin: mul(sin(angles), factor) }
}
