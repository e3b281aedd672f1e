import { Rng } from '@filature/tensor'
import { describe, expect, it } from 'vitest'
import { type Alteration, alter, drawAlteration, unaltered } from './alter.ts'
import { SIDE } from './emoji.ts'

const AREA = SIDE * SIDE

/** A green square of 10 x 10 pixels on white, its left upper corner at (x, y). */
function square(x: number, y: number): Uint8Array {
  const pixels = new Uint8Array(AREA * 3).fill(255)
  for (let i = 0; i < 100; i++) pixels.set([0, 200, 40], ((y + Math.floor(i / 10)) * SIDE + x + (i % 10)) * 3)
  return pixels
}

function altered(pixels: Uint8Array, change: Partial<Alteration>): Float32Array {
  const out = new Float32Array(AREA * 3)
  alter(pixels, out, { ...unaltered, ...change })
  return out
}

const near = (got: Float32Array, wanted: Float32Array, tolerance = 1e-6) => {
  for (let i = 0; i < got.length; i++) expect(Math.abs(got[i]! - wanted[i]!)).toBeLessThan(tolerance)
}

describe('alter', () => {
  it('leaves an unaltered picture as it is, channels first', () => {
    const out = altered(square(20, 30), {})
    const at = 33 * SIDE + 25
    expect([out[at], out[AREA + at], out[2 * AREA + at]].map((x) => Math.round(x! * 255))).toEqual([0, 200, 40])
    expect(out[0]).toBe(1)
  })

  it('moves, mirrors and hides as it is told', () => {
    near(altered(square(20, 30), { shift: [3, -5] }), altered(square(17, 35), {}))
    near(altered(square(20, 30), { affine: [-1, 0, 0, 1] }), altered(square(34, 30), {}))
    // to the left by three where the sine is at its height in all rows
    const wave = [3, 0, Math.PI / 2] as const
    near(altered(square(20, 30), { waves: [wave, [0, 0, 0]] }), altered(square(17, 30), {}))
    near(altered(square(20, 30), { hidden: [10, 20, 40, 50] }), new Float32Array(AREA * 3).fill(1))
  })

  it('changes ink, never the paper', () => {
    const swapped = altered(square(20, 30), { colours: [0, 1, 0, 0, 0, 1, 1, 0, 0] })
    const at = 33 * SIDE + 25
    expect([swapped[at], swapped[AREA + at], swapped[2 * AREA + at]].map((x) => Math.round(x! * 255))).toEqual([
      200, 40, 0,
    ])
    const shaded = altered(square(20, 30), { shading: [0.5, 0] })
    expect(shaded[AREA + 33 * SIDE + 29]!).toBeLessThan(shaded[AREA + 33 * SIDE + 20]!)
    for (let seed = 0; seed < 30; seed++) {
      const out = altered(square(27, 27), drawAlteration(new Rng(seed)))
      expect(out[0]).toBe(1)
      expect(out.every((x) => x >= 0 && x <= 1)).toBe(true)
    }
  })

  it('draws by the stream alone, further with more strength', () => {
    expect(drawAlteration(new Rng(3))).toEqual(drawAlteration(new Rng(3)))
    expect(drawAlteration(new Rng(3))).not.toEqual(drawAlteration(new Rng(4)))
    near(altered(square(20, 30), drawAlteration(new Rng(3), 0)), altered(square(20, 30), {}), 1e-6)
  })
})
