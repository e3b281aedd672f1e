import type { Rng } from '@filature/tensor'
import { SIDE } from './emoji.ts'

/**
 * How another hand would have drawn the same: larger or smaller, elsewhere, turned, bent, in other colours, shaded.
 * Lengths are in pixels, colours on 0..1 of ink (white is none).
 */
export interface Alteration {
  /** From a pixel's place to where its colour comes from, about the middle: x' = a x + b y + dx, y' = c x + d y + dy. */
  readonly affine: readonly [a: number, b: number, c: number, d: number]
  readonly shift: readonly [dx: number, dy: number]
  /** Rows and columns shifted along a wave: amplitude, waves over the picture, phase; rows first. */
  readonly waves: readonly (readonly [amplitude: number, count: number, phase: number])[]
  /** Row by row: ink of red, green, blue from ink of all three. */
  readonly colours: readonly number[]
  /** Relative change of ink from the middle to the right and lower edge. */
  readonly shading: readonly [right: number, down: number]
  /** A rectangle left blank: from, to; x before y. */
  readonly hidden: readonly [x0: number, y0: number, x1: number, y1: number] | undefined
}

export const unaltered: Alteration = {
  affine: [1, 0, 0, 1],
  shift: [0, 0],
  waves: [
    [0, 0, 0],
    [0, 0, 0],
  ],
  colours: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  shading: [0, 0],
  hidden: undefined,
}

/** `strength` 1: as far as it can be the same thing; 0: not at all. */
export function drawAlteration(rng: Rng, strength = 1): Alteration {
  const [size, stretch, turn, slant, dx, dy, hue, saturation, contrast, right, down] = Array.from(
    rng.uniform(12, -strength, strength),
  ) as [number, number, number, number, number, number, number, number, number, number, number]
  const gains = rng.uniform(3, 1 - 0.15 * strength, 1 + 0.15 * strength)
  const waves = rng.uniform(6)
  const [hide, w, h, x, y] = rng.uniform(5) as unknown as [number, number, number, number, number]
  const scale = 1.22 ** size
  const angle = 0.25 * turn ** 3 + 0.06 * turn
  const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale]
  const wide = 1.1 ** stretch
  const shear = 0.1 * slant
  const [width, height] = [w * 20 + 6, h * 20 + 6]
  const [left, top] = [x * SIDE - width / 2, y * SIDE - height / 2]
  const wave = (i: number) =>
    [2 * strength * waves[i]!, 0.5 + 1.5 * waves[i + 1]!, 2 * Math.PI * waves[i + 2]!] as const
  return {
    affine: [cos * wide, (sin + shear * cos) * wide, -sin / wide, (cos - shear * sin) / wide],
    shift: [5 * dx, 5 * dy],
    waves: [wave(0), wave(3)],
    colours: colourMatrix(0.28 * hue ** 3 + 0.08 * hue, 1 + 0.35 * saturation, 1 + 0.2 * contrast, gains),
    shading: [0.2 * right, 0.2 * down],
    hidden: hide < 0.25 * strength ? [left, top, left + width, top + height] : undefined,
  }
}

/** Turns hues about the grey axis by `angle`, scales the distance from grey and all, then each channel. */
function colourMatrix(angle: number, saturation: number, strength: number, gains: ArrayLike<number>): number[] {
  const [cos, sin] = [saturation * Math.cos(angle), (saturation * Math.sin(angle)) / Math.sqrt(3)]
  const row = (c: number) =>
    [0, 1, 2].map((from) => {
      const rest = (1 - cos) / 3
      const own = from === c ? cos : 0
      const turned = from === c ? 0 : from === (c + 1) % 3 ? -sin : sin
      return strength * gains[c]! * (rest + own + turned)
    })
  return [0, 1, 2].flatMap(row)
}

/** One picture (64, 64, 3) in bytes, altered, as (3, 64, 64) on 0..1: bilinear, white outside. */
export function alter(from: Uint8Array, to: Float32Array, alteration: Alteration): void {
  const { affine, shift, waves, colours, shading, hidden } = alteration
  const [a, b, c, d] = affine
  const [rr, rg, rb, gr, gg, gb, br, bg, bb] = colours as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const [left, top, right, bottom] = hidden ?? [SIDE, SIDE, SIDE, SIDE]
  const middle = (SIDE - 1) / 2
  const area = SIDE * SIDE
  const [byRow, byColumn] = waves.map(([amplitude, count, phase]) =>
    Float64Array.from({ length: SIDE }, (_, i) => amplitude * Math.sin((2 * Math.PI * count * i) / SIDE + phase)),
  ) as [Float64Array, Float64Array]
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const u = x - middle
      const v = y - middle
      const sx = a * u + b * v + middle + shift[0] + byRow[y]!
      const sy = c * u + d * v + middle + shift[1] + byColumn[x]!
      const x0 = Math.floor(sx)
      const y0 = Math.floor(sy)
      let red = 0
      let green = 0
      let blue = 0
      for (let corner = 0; corner < 4; corner++) {
        const px = x0 + (corner & 1)
        const py = y0 + (corner >> 1)
        if (px < 0 || py < 0 || px >= SIDE || py >= SIDE) continue
        const weight = (1 - Math.abs(sx - px)) * (1 - Math.abs(sy - py))
        const at = (py * SIDE + px) * 3
        red += weight * (255 - from[at]!)
        green += weight * (255 - from[at + 1]!)
        blue += weight * (255 - from[at + 2]!)
      }
      const blank = x >= left && y >= top && x < right && y < bottom
      const shade = blank ? 0 : (1 + (shading[0] * u + shading[1] * v) / middle) / 255
      const at = y * SIDE + x
      to[at] = paper(shade * (rr * red + rg * green + rb * blue))
      to[area + at] = paper(shade * (gr * red + gg * green + gb * blue))
      to[2 * area + at] = paper(shade * (br * red + bg * green + bb * blue))
    }
  }
}

/** Light that is left by so much ink. */
const paper = (ink: number) => (ink <= 0 ? 1 : ink >= 1 ? 0 : 1 - ink)
