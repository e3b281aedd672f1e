import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { argmax, descending, kthLargest, logSumExp } from './selection.ts'

fc.configureGlobal({ seed: 1 })

// few different values, so that ties are common
const scores = fc
  .array(fc.constantFrom(-2, -1, 0, 0.5, 3, -Infinity), { minLength: 1, maxLength: 40 })
  .map((a) => Float32Array.from(a))

describe('selection', () => {
  it('finds the k-th largest', () => {
    fc.assert(
      fc.property(scores, fc.nat(), (values, n) => {
        const k = 1 + (n % values.length)
        expect(kthLargest(values, k)).toBe([...values].sort((a, b) => b - a)[k - 1])
      }),
    )
  })

  it('walks down finite values, the later of equals first', () => {
    fc.assert(
      fc.property(scores, (values) => {
        const sorted = [...values.keys()]
          .filter((i) => values[i]! > -Infinity)
          .sort((a, b) => values[b]! - values[a]! || b - a)
        expect([...descending(values)]).toEqual(sorted)
      }),
    )
  })

  it('takes the first of equal maxima, and NaN before all', () => {
    expect(argmax([1, 3, 3])).toBe(1)
    expect(argmax([1, Number.NaN, 3])).toBe(1)
    expect(argmax([-Infinity, -Infinity])).toBe(0)
  })

  it('adds exponentials without overflow', () => {
    expect(logSumExp(Float32Array.from([1000, 1000]))).toBeCloseTo(1000 + Math.log(2), 9)
    expect(logSumExp(Float32Array.from([-Infinity, -Infinity]))).toBe(-Infinity)
    expect(logSumExp(Float32Array.from([-1000, -Infinity]))).toBe(-1000)
  })
})
