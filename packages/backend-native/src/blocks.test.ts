import { afterAll, describe, expect, it } from 'vitest'
import { BLOCKS, loadAddon } from './addon.ts'

const addon = loadAddon()
afterAll(() => void addon.isa('auto'))

/** Numbers and bytes of a block, and where it has float16 scales (their upper bytes are kept small). */
const layouts: Record<(typeof BLOCKS)[number], [elements: number, bytes: number, scales: number[]]> = {
  bf16: [1, 2, [1]],
  f16: [1, 2, [1]],
  Q8_0: [32, 34, [1]],
  Q4_0: [32, 18, [1]],
  Q4_K: [256, 144, [1, 3]],
  Q5_K: [256, 176, [1, 3]],
  Q6_K: [256, 210, [209]],
}

// What the formats mean is tested in @filature/checkpoint, against its decoders.
describe.each(addon.isas().split(' '))('%s', (isa) => {
  it.each(BLOCKS.map((name, format) => [name, format] as const))('%s as on every other processor', (name, format) => {
    const [elements, bytes, scales] = layouts[name]
    const [rows, K] = [37, elements === 1 ? 51 : 3 * elements]
    const weight = Uint8Array.from({ length: (rows * K * bytes) / elements }, (_, i) => (i * 2654435761) >>> 24)
    for (let at = 0; at < weight.length; at += bytes) for (const scale of scales) weight[at + scale]! &= 0xbf
    const ids = Int32Array.from({ length: rows }, (_, i) => i)
    const decoded = (which: string) => {
      addon.isa(which)
      const y = new Float32Array(rows * K)
      addon.blockRows(format, rows, rows, K, ids, weight, y)
      return y
    }
    const reference = decoded('baseline')
    const own = decoded(isa)
    own.forEach((value, i) => {
      if (!Object.is(value, reference[i])) expect(value).toBeCloseTo(reference[i]!, 5 - Math.log10(1 + Math.abs(value)))
    })
    for (const M of [1, 4, 7]) {
      const x = Float32Array.from({ length: M * K }, (_, i) => Math.sin(i))
      const y = new Float32Array(M * rows)
      addon.blockLinear(format, M, rows, K, x, weight, y)
      y.forEach((value, at) => {
        const [m, n] = [Math.floor(at / rows), at % rows]
        let [wanted, size] = [0, 0]
        for (let k = 0; k < K; k++) {
          const term = x[m * K + k]! * own[n * K + k]!
          wanted += term
          size += Math.abs(term)
        }
        if (Number.isFinite(size)) expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-6 * size)
      })
    }
  })
})

it('refuses rows that are no whole blocks, and ids that are no rows', () => {
  const x = new Float32Array(100)
  const weight = new Uint8Array(1000)
  const q4 = BLOCKS.indexOf('Q4_0')
  expect(() => addon.blockLinear(q4, 1, 1, 33, x, weight, x)).toThrow(/K.*whole number of blocks/)
  expect(() => addon.blockRows(q4, 1, 2, 32, Int32Array.of(2), weight, x)).toThrow(/ids/)
  expect(() => addon.blockRows(q4, 1, 2, 32, Int32Array.of(-1), weight, x)).toThrow(/ids/)
  expect(() => addon.blockLinear(q4, 1, 60, 32, x, weight, x)).toThrow(/weight/)
  expect(() => addon.blockLinear(BLOCKS.length, 1, 1, 32, x, weight, x)).toThrow(/format/)
})
