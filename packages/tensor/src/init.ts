import { ConfigError } from './errors.ts'
import type { Rng } from './rng.ts'
import { type Shape, sizeOf } from './types.ts'

/** Draws the initial numbers of a parameter from its own stream, row-major. */
export type Initializer = (shape: Shape, rng: Rng) => Float32Array

const draw = (make: (count: number, shape: Shape, rng: Rng) => ArrayLike<number>): Initializer => {
  return (shape, rng) => Float32Array.from(make(sizeOf(shape), shape, rng))
}

/** Inputs and outputs of a weight (out, in, ...kernel). */
function fans(shape: Shape): { fanIn: number; fanOut: number } {
  const kernel = sizeOf(shape.slice(2))
  return { fanIn: (shape[1] ?? shape[0] ?? 1) * kernel, fanOut: (shape[0] ?? 1) * kernel }
}

/** The same number everywhere. */
export const constant =
  (value: number): Initializer =>
  (shape) =>
    new Float32Array(sizeOf(shape)).fill(value)
export const zerosInit: Initializer = constant(0)
export const onesInit: Initializer = constant(1)

/** Normal numbers. */
export const normal = (std = 1, mean = 0): Initializer => draw((n, _, rng) => rng.normal(n, mean, std))

/** Numbers between low and high, all as likely. */
export const uniform = (low: number, high: number): Initializer => draw((n, _, rng) => rng.uniform(n, low, high))

/**
 * Normal numbers drawn again until they lie in low..high (absolute bounds), as timm's `trunc_normal_` has them.
 * @throws ConfigError where hardly any number would: no part of low..high lies within four std of the mean
 */
export const truncatedNormal = (std = 1, { mean = 0, low = -2, high = 2 } = {}): Initializer => {
  if (!(low < high && low <= mean + 4 * std && high >= mean - 4 * std)) {
    throw new ConfigError(
      'init-bounds',
      `truncatedNormal: wanted bounds within four std of the mean, got ${low}..${high} for mean ${mean}, std ${std}.`,
    )
  }
  return draw((n, _, rng) => {
    const out = new Float64Array(n)
    let filled = 0
    while (filled < n) {
      for (const x of rng.normal(n - filled, mean, std)) if (x >= low && x <= high) out[filled++] = x
    }
    return out
  })
}

/** Glorot and Bengio 2010: uniform in +-gain sqrt(6 / (fanIn + fanOut)). */
export const xavierUniform = (gain = 1): Initializer =>
  draw((n, shape, rng) => {
    const { fanIn, fanOut } = fans(shape)
    const bound = gain * Math.sqrt(6 / (fanIn + fanOut))
    return rng.uniform(n, -bound, bound)
  })

/** Torch's default for linear and convolution weights: uniform in +-1 / sqrt(fanIn). */
export const torchUniform = (fanIn?: number): Initializer =>
  draw((n, shape, rng) => {
    const bound = 1 / Math.sqrt(fanIn ?? fans(shape).fanIn)
    return rng.uniform(n, -bound, bound)
  })

/** The initialiser with one row of zeros: an embedding's padding row. */
export const withZeroRow = (init: Initializer, row: number | undefined): Initializer => {
  if (row === undefined) return init
  return (shape, rng) => {
    const values = init(shape, rng)
    const width = values.length / shape[0]!
    return values.fill(0, row * width, (row + 1) * width)
  }
}
