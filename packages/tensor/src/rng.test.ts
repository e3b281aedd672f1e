import { describe, expect, it } from 'vitest'
import { constant, normal, torchUniform, truncatedNormal, uniform, withZeroRow, xavierUniform } from './init.ts'
import { Embedding } from './layers/embedding.ts'
import { hash64, philox, philoxWords } from './philox.ts'
import { Rng } from './rng.ts'

const hex = (words: ArrayLike<number>) => Array.from(words, (w) => w.toString(16).padStart(8, '0')).join(' ')

describe('philox', () => {
  it('gives the known answers of Random123', () => {
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8')
    const full = 0xffffffff
    expect(hex(philox([full, full, full, full], [full, full]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd')
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    )
  })

  it('streams blocks', () => {
    const words = philoxWords(7, [1, 2], [3, 4])
    expect(Array.from(words.subarray(4))).toEqual(philox([1, 0, 3, 4], [1, 2]).slice(0, 3))
  })

  it('hashes as 64-bit FNV-1a', () => {
    // bytes 61 00, so the 16-bit units of 'a'
    let hash = 0xcbf29ce484222325n
    for (const byte of [0x61n, 0n]) hash = ((hash ^ byte) * 0x100000001b3n) % 2n ** 64n
    expect(hash64('a')).toEqual([Number(hash & 0xffffffffn), Number(hash >> 32n)])
    expect(hash64('h.0')).not.toEqual(hash64('h.1'))
  })
})

const moments = (x: ArrayLike<number>) => {
  const values = Array.from(x)
  const mean = values.reduce((s, v) => s + v, 0) / values.length
  const std = Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length)
  return { mean, std, low: values.reduce((a, b) => Math.min(a, b)), high: values.reduce((a, b) => Math.max(a, b)) }
}

describe('Rng', () => {
  it('forks by label alone, whatever was drawn', () => {
    const a = new Rng(1)
    const before = a.fork('x').next()
    a.words(100)
    expect(a.fork('x').next()).toBe(before)
    expect(a.fork('y').next()).not.toBe(before)
    expect(a.fork(1).next()).not.toBe(a.fork('1').next())
  })

  it('goes on from its state', () => {
    const a = new Rng(5)
    a.normal(3)
    const b = Rng.from(JSON.parse(JSON.stringify(a.state)))
    expect(Array.from(b.words(8))).toEqual(Array.from(a.words(8)))
  })

  it('permutes without loss and draws integers without bias', () => {
    expect(Array.from(new Rng(2).permutation(50)).sort((x, y) => x - y)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    )
    const counts = [0, 0, 0]
    const rng = new Rng(3)
    for (let i = 0; i < 3000; i++) counts[rng.integer(3)]!++
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(100)
  })

  it('refuses a seed that is no whole number', () => {
    expect(() => new Rng(0.5)).toThrow(/whole number/)
    expect(() => new Rng(-1)).toThrow(/whole number/)
    for (const bound of [0, -1, 1.5, 2 ** 33]) expect(() => new Rng(1).integer(bound)).toThrow(/wanted a bound/)
    expect(new Rng(1).integer(1)).toBe(0)
  })
})

describe('initialisers', () => {
  const shape = [200, 300]
  const of = (init: ReturnType<typeof normal>) => moments(init(shape, new Rng(11)))

  it('have their moments', () => {
    const n = of(normal(0.02, 0.1))
    expect(n.mean).toBeCloseTo(0.1, 3)
    expect(n.std).toBeCloseTo(0.02, 3)
    const u = of(uniform(-2, 4))
    expect(u.mean).toBeCloseTo(1, 1)
    expect(u.std).toBeCloseTo(6 / Math.sqrt(12), 1)
    // a normal cut at two deviations keeps 0.8796 of its deviation
    const t = of(truncatedNormal(0.5, { low: -1, high: 1 }))
    expect(t.std).toBeCloseTo(0.5 * 0.8796, 2)
    expect(t.high).toBeLessThanOrEqual(1)
    expect(t.low).toBeGreaterThanOrEqual(-1)
    const bound = Math.sqrt(6 / 500)
    expect(of(xavierUniform()).std).toBeCloseTo(bound / Math.sqrt(3), 3)
    expect(of(torchUniform()).high).toBeCloseTo(1 / Math.sqrt(300), 3)
    expect(of(constant(3))).toMatchObject({ mean: 3, std: 0 })
  })

  it('leave one row at zero', () => {
    const values = withZeroRow(normal(1), 1)([3, 4], new Rng(1))
    expect(Array.from(values.subarray(4, 8))).toEqual([0, 0, 0, 0])
    expect(values[0]).not.toBe(0)
  })

  it('refuse bounds in which hardly any number lies, and a row that is none', () => {
    for (const bounds of [{ low: 5, high: 9 }, { low: 1, high: 1 }, { mean: 7 }, { low: Number.NaN }]) {
      expect(() => truncatedNormal(1, bounds)).toThrow(/wanted bounds within four std of the mean/)
    }
    for (const paddingIdx of [-1, 3, 0.5]) {
      expect(() => new Embedding(3, 2, { paddingIdx })).toThrow(/wanted a paddingIdx from 0 to 2/)
    }
  })
})
