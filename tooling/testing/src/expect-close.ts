import type { Tensor } from '@filature/tensor'

/** What can be held against numbers: a tensor, nested arrays, a typed array or a number. */
export type Numeric = Tensor | number | boolean | ArrayLike<number> | readonly Numeric[]

interface Flat {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

/** Tolerances of `expectClose`: |actual - expected| <= atol + rtol * max|expected|. */
export interface Closeness {
  readonly atol?: number
  readonly rtol?: number
}

/**
 * Throws unless shapes are equal and every element lies within atol + rtol * max|expected|. NaN equals NaN, infinities
 * equal themselves. Plain numbers without a shape (a typed array) take the other side's shape.
 */
export async function expectClose(
  actual: Numeric,
  expected: Numeric,
  { atol = 1e-6, rtol = 1e-5 }: Closeness = {},
  what = 'expectClose',
): Promise<void> {
  const [a, e] = await Promise.all([flatten(actual), flatten(expected)])
  if (
    a.data.length !== e.data.length ||
    (!isPlain(actual) && !isPlain(expected) && a.shape.join() !== e.shape.join())
  ) {
    throw new Error(`${what}: shape [${a.shape}] instead of [${e.shape}]`)
  }
  const { index, error } = worstOf(a.data, e.data)
  const allowed = atol + rtol * largest(e.data)
  if (error > allowed) {
    throw new Error(
      `${what}: ${a.data[index]} instead of ${e.data[index]} at element ${index} of [${e.shape}]; ` +
        `off by ${error.toExponential(2)}, allowed ${allowed.toExponential(2)}`,
    )
  }
}

/** The greatest absolute difference and where it is; Infinity where only one side is finite or NaN. */
export function worstOf(actual: ArrayLike<number>, expected: ArrayLike<number>): { index: number; error: number } {
  let index = 0
  let error = 0
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!
    const e = expected[i]!
    if (a === e || (Number.isNaN(a) && Number.isNaN(e))) continue
    const difference = Number.isFinite(a) && Number.isFinite(e) ? Math.abs(a - e) : Infinity
    if (difference > error) {
      index = i
      error = difference
    }
  }
  return { index, error }
}

/**
 * The greatest |actual - expected| / (atol + rtol * |expected|) of any element: at most 1 where every element is close
 * by itself, not only by the largest. NaN where one is NaN, Infinity where lengths differ.
 */
export function worstRatio(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol = 1e-5, rtol = 1e-5 }: Closeness = {},
): number {
  if (actual.length !== expected.length) return Infinity
  let worst = 0
  for (let i = 0; i < expected.length; i++) {
    const ratio = Math.abs(actual[i]! - expected[i]!) / (atol + rtol * Math.abs(expected[i]!))
    if (!(ratio <= worst)) worst = ratio
    if (Number.isNaN(worst)) return worst
  }
  return worst
}

export function largest(data: ArrayLike<number>): number {
  let max = 0
  for (let i = 0; i < data.length; i++) if (Number.isFinite(data[i])) max = Math.max(max, Math.abs(data[i]!))
  return max
}

const isPlain = (x: Numeric) => ArrayBuffer.isView(x)

async function flatten(x: Numeric): Promise<Flat> {
  if (typeof x === 'number' || typeof x === 'boolean') return { shape: [], data: [Number(x)] }
  if ('dataId' in x) return { shape: x.shape, data: (await x.data()) as ArrayLike<number> }
  if (ArrayBuffer.isView(x)) return { shape: [x.length], data: x as ArrayLike<number> }
  const parts = await Promise.all(Array.from(x as readonly Numeric[], flatten))
  return { shape: [parts.length, ...(parts[0]?.shape ?? [])], data: parts.flatMap((part) => Array.from(part.data)) }
}
