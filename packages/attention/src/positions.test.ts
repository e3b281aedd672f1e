import { gather, init, Rng, reshape, rotary, type Tensor2D, type Tensor4D, tensor } from '@filature/tensor'
import { expectClose, forEachBackend, randomTensor } from '@filature/testing'
import { describe, expect, it } from 'vitest'
import { transformersCases } from './__fixtures__/rotary-frequencies.ts'
import { rotaryTable, rotaryTableAt } from './rotary.ts'
import { type RotaryScaling, rotaryFrequencies } from './rotary-frequencies.ts'
import { LearnedPositions, sinusoidalPositions, sinusoidalTable } from './sinusoidal.ts'

describe('sinusoidal', () => {
  it('moves by k through one linear map, also beyond any trained length', () => {
    const C = 16
    for (const k of [1, 7, 300]) {
      for (const p of [0, 5, 511, 20000]) {
        const here = sinusoidalTable(1, C, { start: p })
        const there = sinusoidalTable(1, C, { start: p + k })
        for (let i = 0; i < C; i += 2) {
          // rotation by the angle of k: a map that does not depend on p
          const angle = k / 10000 ** (i / C)
          const [s, c] = [here[i]!, here[i + 1]!]
          expect(there[i]).toBeCloseTo(s * Math.cos(angle) + c * Math.sin(angle), 5)
          expect(there[i + 1]).toBeCloseTo(c * Math.cos(angle) - s * Math.sin(angle), 5)
        }
      }
    }
  })

  it('gives the same rows in any order of asking', async () => {
    for (const [length, start, base] of [
      [3, 5, 10000],
      [9, 0, 10000],
      [2, 40, 10000],
      [4, 1, 500],
      [3, 0.5, 10000], // between the rows held
      [3, -2, 10000],
      [1, 2_000_000, 10000],
    ] as const) {
      const rows = sinusoidalPositions(length, 6, { start, base })
      expect(rows.shape).toEqual([length, 6])
      await expectClose(rows, sinusoidalTable(length, 6, { start, base }), { atol: 0, rtol: 0 })
    }
  })

  it('starts with sin 0, cos 0 and has an odd last column', () => {
    expect([...sinusoidalTable(1, 5)]).toEqual([0, 1, 0, 1, 0])
    expect(sinusoidalTable(2, 5)[9]).toBeCloseTo(Math.sin(10000 ** (-4 / 5)), 7)
  })
})

describe('rotary', () => {
  const scores = (interleaved: boolean, p: number, q: number) => {
    const x = randomTensor('x', [1, 1, 2, 8]) as Tensor4D
    const y = randomTensor('y', [1, 1, 2, 8]) as Tensor4D
    const at = (start: number) => rotaryTable({ width: 8 }, { count: 1, start })
    const a = rotary(x, at(p).cos, at(p).sin, { interleaved }).dataSync()
    const b = rotary(y, at(q).cos, at(q).sin, { interleaved }).dataSync()
    return Array.from(a).reduce((sum: number, v, i) => sum + v * b[i]!, 0)
  }

  for (const interleaved of [false, true]) {
    it(`${interleaved ? 'interleaved' : 'half-split'}: products depend on the distance alone`, () => {
      for (const shift of [1, 40, 1000]) {
        expect(scores(interleaved, 3 + shift, 9 + shift)).toBeCloseTo(scores(interleaved, 3, 9), 3)
      }
      expect(Math.abs(scores(interleaved, 3, 9) - scores(interleaved, 3, 10))).toBeGreaterThan(1e-3)
    })
  }

  it('linear scaling divides positions', async () => {
    const scaled = rotaryTable({ width: 8, scaling: { type: 'linear', factor: 4 } }, { count: 9 })
    const plain = rotaryTable({ width: 8 }, { count: 3 })
    await expectClose(gather(scaled.cos, tensor([0, 4, 8], [3], 'int32')), plain.cos)
  })

  it('dynamic scaling changes nothing within the trained length and stretches beyond', () => {
    const scaling = { type: 'dynamic', factor: 2, maxPositions: 16 } as const
    expect(rotaryFrequencies({ width: 8, scaling }, 16)).toEqual(rotaryFrequencies({ width: 8 }))
    const beyond = rotaryFrequencies({ width: 8, scaling }, 32)
    expect(beyond[1]!).toBeCloseTo((10000 * (2 * 2 - 1) ** (8 / 6)) ** (-2 / 8), 6)
  })

  it('llama3 keeps high frequencies and divides low ones', () => {
    const scaling = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, maxPositions: 8192 } as const
    const plain = rotaryFrequencies({ width: 128, base: 500000 })
    const scaled = rotaryFrequencies({ width: 128, base: 500000, scaling })
    expect(scaled[0]).toBe(plain[0])
    expect(scaled[63]! * 8).toBeCloseTo(plain[63]!, 12)
    const ratios = Array.from(scaled, (f, i) => f / plain[i]!)
    for (let i = 1; i < 64; i++) expect(ratios[i]!).toBeLessThanOrEqual(ratios[i - 1]! + 1e-6)
    expect(ratios.some((r) => r > 0.2 && r < 0.9)).toBe(true)
  })

  it.each(transformersCases)('$name: the frequencies of transformers', ({ width, base, params, ...stated }) => {
    const maxPositions = params.original_max_position_embeddings ?? stated.max_position_embeddings
    const scaling = {
      type: params.rope_type,
      factor: params.factor,
      lowFreqFactor: params.low_freq_factor,
      highFreqFactor: params.high_freq_factor,
      maxPositions,
    } as RotaryScaling
    // transformers divides the frequencies of 'linear', here the positions are divided
    const divisor = scaling.type === 'linear' ? params.factor : 1
    const ours = rotaryFrequencies({ width, base, scaling }, stated.length ?? 0)
    expect(ours).toHaveLength(stated.inv_freq.length)
    stated.inv_freq.forEach((f, i) => {
      expect(Math.abs(ours[i]! / divisor / f - 1), `frequency ${i}`).toBeLessThan(1e-6)
    })
  })

  it('refuses a scaling that it does not know', () => {
    const scaling = { type: 'ntk', factor: 2 } as unknown as RotaryScaling
    expect(() => rotaryFrequencies({ width: 8, scaling })).toThrow(expect.objectContaining({ code: 'rotary-scaling' }))
  })

  it('refuses an odd width', () => {
    expect(() => rotaryFrequencies({ width: 7 })).toThrow(/even width, got 7/)
  })
})

describe('learned', () => {
  it('gives rows from a start and refuses positions beyond its table', async () => {
    const positions = init(new LearnedPositions(6, 4), new Rng(1))
    const rows = positions.rows(2, 3)
    await expectClose(rows, positions.weight.value.slice([3, 0], [2, 4]))
    expect(() => positions.rows(3, 4)).toThrow(/positions below 6, got 4 to 6/)
    positions[Symbol.dispose]()
  })
})

await forEachBackend(
  (backend) => {
    it(`rotary positions are those of any ids, on ${backend}`, async () => {
      for (const scaling of [
        undefined,
        { type: 'linear', factor: 3 },
        { type: 'dynamic', factor: 2, maxPositions: 5 },
        { type: 'yarn', factor: 4, maxPositions: 100 },
      ] as const) {
        const options = { width: 4, scaling }
        const table = rotaryTable(options, { count: 100_001 })
        const ids = [4, 0, 2, 1, 99_999, 100_000]
        const at = rotaryTableAt(options, tensor(ids, [2, 3], 'int32') as Tensor2D, 100_001)
        for (const which of ['cos', 'sin'] as const) {
          expect(at[which].shape).toEqual([2, 3, 2])
          await expectClose(at[which], reshape(gather(table[which], tensor(ids, [6], 'int32')), [2, 3, 2]), {
            atol: 1e-6,
          })
        }
      }
    })
  },
  ['cpu', 'wasm', 'native'],
)
