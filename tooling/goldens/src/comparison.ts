import type { Numbers, Tolerance } from './adapter.ts'

/** One tensor held against its reference. */
export interface Comparison {
  readonly tensor: string
  /** Worst error over its tolerance; at most 1 passes, Infinity when no number could be compared. */
  readonly ratio: number
  /** Worst absolute error. */
  readonly error: number
  /** What is wrong, when something is. */
  readonly failure?: string
  /** Why the tolerance is wider than the fixture's. */
  readonly loosened?: string
}

/**
 * Holds `actual` against `expected`: equal shape, then each element within the tolerance. Non-finite numbers must stand
 * in the same places with the same sign, and only where the case allows them at all.
 */
export function compareNumbers(
  tensor: string,
  actual: Numbers,
  expected: Numbers,
  tolerance: Tolerance,
  allowNonfinite: boolean,
): Comparison {
  const fail = (failure: string): Comparison => ({ tensor, ratio: Infinity, error: Infinity, failure })
  if (actual.shape.join() !== expected.shape.join()) {
    return fail(`shape [${actual.shape}] instead of [${expected.shape}]`)
  }
  if (actual.data.length !== expected.data.length) {
    return fail(`${actual.data.length} numbers instead of ${expected.data.length}`)
  }
  const base = (tolerance.atol ?? 0) + (tolerance.rtolOfMax ?? 0) * largest(expected.data)
  let ratio = 0
  let error = 0
  let worst = -1
  for (let i = 0; i < expected.data.length; i++) {
    const a = actual.data[i]!
    const e = expected.data[i]!
    if (!Number.isFinite(a) || !Number.isFinite(e)) {
      if (!allowNonfinite || !Object.is(a, e)) return fail(`${a} instead of ${e} at ${place(i, expected.shape)}`)
      continue
    }
    const difference = Math.abs(a - e)
    const allowed = base + (tolerance.rtol ?? 0) * Math.abs(e)
    const over = difference === 0 ? 0 : allowed === 0 ? Infinity : difference / allowed
    if (over > ratio) {
      ratio = over
      worst = i
    }
    error = Math.max(error, difference)
  }
  if (ratio <= 1) return { tensor, ratio, error }
  const failure = `${actual.data[worst]} instead of ${expected.data[worst]} at ${place(worst, expected.shape)}`
  return { tensor, ratio, error, failure }
}

function largest(data: ArrayLike<number>): number {
  let max = 0
  for (let i = 0; i < data.length; i++) if (Number.isFinite(data[i])) max = Math.max(max, Math.abs(data[i]!))
  return max
}

/** The index of element `flat`, one number for each axis. */
function place(flat: number, shape: readonly number[]): string {
  const index: number[] = []
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(flat % shape[axis]!)
    flat = Math.floor(flat / shape[axis]!)
  }
  return `[${index}]`
}
