import { describe, expect, it } from 'vitest'
import {
  float16Value,
  narrowToBfloat16,
  narrowToFloat16,
  singlesOf,
  widenBfloat16,
  widenFloat8,
  widenFloat16,
  wordsOf,
} from './half.ts'

const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i)

/** The value of a pattern from the definition of IEEE 754's binary16. */
function definition(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = (bits & 1023) / 1024
  if (exponent === 31) return fraction > 0 ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15))
}

const widened = (widen: (bits: Uint16Array, words: Uint32Array) => void): Float32Array => {
  const words = new Uint32Array(65536)
  widen(patterns, words)
  return singlesOf(words)
}

/** Nearest of the non-negative patterns below infinity by comparing distances; ties to the even pattern. */
function nearest(value: number, table: Float32Array, top: number): number {
  let best = 0
  for (let p = 1; p <= top; p++) {
    const [d, b] = [Math.abs(table[p]! - value), Math.abs(table[best]! - value)]
    if (d < b || (d === b && p % 2 === 0)) best = p
  }
  return best
}

describe('float16', () => {
  it('widens every pattern to its defined value', () => {
    const values = widened(widenFloat16)
    expect(patterns.filter((p) => !Object.is(values[p], definition(p)))).toHaveLength(0)
    expect(float16Value(0x3c00)).toBe(1)
  })

  it('narrows every widened pattern back to itself', () => {
    const back = narrowToFloat16(wordsOf(widened(widenFloat16)))
    expect(patterns.filter((p) => !Number.isNaN(definition(p)) && back[p] !== p)).toHaveLength(0)
    expect(Number.isNaN(definition(back[0x7e01]!))).toBe(true)
  })

  it('rounds to nearest, ties to even, from the least subnormal to overflow', () => {
    const table = widened(widenFloat16)
    const cases: number[] = [2 ** -25, 2 ** -25 * 1.0001, 2 ** -26, 65519, 65520, 1e30, 1 + 2 ** -11, 1 + 3 * 2 ** -11]
    for (let i = 0; i < 300; i++) cases.push(Math.fround((1 + Math.sin(i * 12.9898)) * 2 ** ((i % 45) - 28)))
    const bits = narrowToFloat16(wordsOf(Float32Array.from(cases)))
    for (const [i, value] of cases.entries()) {
      const single = Math.fround(value)
      const wanted = single >= 65520 ? 0x7c00 : nearest(single, table, 0x7bff)
      expect(bits[i], String(single)).toBe(wanted)
    }
    expect([...narrowToFloat16(wordsOf(Float32Array.of(-0, -1, Number.NEGATIVE_INFINITY)))]).toEqual([
      0x8000, 0xbc00, 0xfc00,
    ])
  })
})

describe('bfloat16', () => {
  it('is the upper half of a float32, both ways', () => {
    const values = widened(widenBfloat16)
    const scratch = new DataView(new ArrayBuffer(4))
    const wrong = patterns.filter((p) => {
      scratch.setUint32(0, p << 16)
      return !Object.is(values[p], scratch.getFloat32(0))
    })
    expect(wrong).toHaveLength(0)
    const back = narrowToBfloat16(wordsOf(values))
    expect(patterns.filter((p) => !Number.isNaN(values[p]) && back[p] !== p)).toHaveLength(0)
  })

  it('rounds to nearest, ties to even, and keeps NaN', () => {
    const one = 1 + 2 ** -8
    const bits = narrowToBfloat16(wordsOf(Float32Array.of(one, 1 + 3 * 2 ** -8, 1.001, Number.NaN, 3.4e38)))
    expect([...bits.subarray(0, 3)]).toEqual([0x3f80, 0x3f82, 0x3f80])
    expect(bits[3]! & 0x7fff).toBeGreaterThan(0x7f80)
    expect(bits[4]).toBe(0x7f80)
  })
})

describe('float8', () => {
  const read = (kind: 'F8_E4M3' | 'F8_E5M2', byte: number) => {
    const words = new Uint32Array(1)
    widenFloat8(kind, Uint8Array.of(byte), words)
    return singlesOf(words)[0]!
  }

  it('has the values of the OCP specification', () => {
    expect(read('F8_E4M3', 0x7e)).toBe(448)
    expect(read('F8_E4M3', 0x01)).toBe(2 ** -9)
    expect(read('F8_E4M3', 0x08)).toBe(2 ** -6)
    expect(read('F8_E4M3', 0x7f)).toBeNaN()
    expect(Object.is(read('F8_E4M3', 0x80), -0)).toBe(true)
    expect(read('F8_E5M2', 0x7b)).toBe(57344)
    expect(read('F8_E5M2', 0x01)).toBe(2 ** -16)
    expect(read('F8_E5M2', 0xfc)).toBe(Number.NEGATIVE_INFINITY)
    expect(read('F8_E5M2', 0x7d)).toBeNaN()
  })
})
