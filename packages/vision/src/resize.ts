import { ConfigError, ShapeError } from '@filature/tensor'

/** 8-bit pixels, row-major, channels last. */
export interface Image {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

export type ResizeFilter = 'bicubic' | 'bilinear'

/** Pillow's kernels: Keys' cubic with a = -0.5, and the triangle. */
const FILTERS: Record<ResizeFilter, { support: number; weight: (x: number) => number }> = {
  bicubic: {
    support: 2,
    weight: (x) => {
      const a = -0.5
      const d = Math.abs(x)
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0
    },
  },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
}

// Pillow holds weights as integers of 22 fractional bits, and rounds to 8 bits between its two passes.
const FRACTION = 2 ** 22

interface Taps {
  first: number
  weights: Int32Array
}

/** For each output position the input positions it reads; when shrinking, the kernel widens (antialiasing). */
function tapsOf(from: number, to: number, filter: ResizeFilter): Taps[] {
  const { support, weight } = FILTERS[filter]
  const scale = from / to
  const widening = Math.max(scale, 1)
  const reach = support * widening
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + 0.5))
    const last = Math.min(from, Math.trunc(centre + reach + 0.5))
    const raw = Array.from({ length: last - first }, (_, t) => weight((t + first - centre + 0.5) / widening))
    const total = raw.reduce((sum, w) => sum + w, 0)
    return { first, weights: Int32Array.from(raw, (w) => Math.trunc((w / total) * FRACTION + (w < 0 ? -0.5 : 0.5))) }
  })
}

const toByte = (sum: number) => Math.min(255, Math.max(0, Math.floor(sum / FRACTION)))

function resizeRows({ width, height, channels, data }: Image, to: number, filter: ResizeFilter): Image {
  const taps = tapsOf(width, to, filter)
  const out = new Uint8Array(height * to * channels)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < to; x++) {
      const { first, weights } = taps[x]!
      for (let c = 0; c < channels; c++) {
        let sum = FRACTION / 2
        for (let t = 0; t < weights.length; t++) sum += weights[t]! * data[(y * width + first + t) * channels + c]!
        out[(y * to + x) * channels + c] = toByte(sum)
      }
    }
  }
  return { width: to, height, channels, data: out }
}

function resizeColumns({ width, height, channels, data }: Image, to: number, filter: ResizeFilter): Image {
  const taps = tapsOf(height, to, filter)
  const stride = width * channels
  const out = new Uint8Array(to * stride)
  for (let y = 0; y < to; y++) {
    const { first, weights } = taps[y]!
    for (let x = 0; x < stride; x++) {
      let sum = FRACTION / 2
      for (let t = 0; t < weights.length; t++) sum += weights[t]! * data[(first + t) * stride + x]!
      out[y * stride + x] = toByte(sum)
    }
  }
  return { width, height: to, channels, data: out }
}

/** Refuses pixels that are not as many as the sizes say: an alpha channel forgotten, a stride. */
function checkImage({ width, height, channels, data }: Image): void {
  const whole = [width, height, channels].every((n) => Number.isInteger(n) && n > 0)
  if (whole && data?.length === width * height * channels) return
  throw new ShapeError(
    'image-data',
    `resize: wanted an image of height x width x channels bytes, each of the three from 1, got ${height} x ${width} x ` +
      `${channels} and ${data?.length} bytes; are the channels those of the data?`,
  )
}

/** Resizes as Pillow does, bit for bit: antialiased, rows first, 8 bits in between. */
export function resize(
  image: Image,
  size: readonly [height: number, width: number],
  filter: ResizeFilter = 'bicubic',
): Image {
  const [height, width] = size
  if (![height, width].every((side) => Number.isInteger(side) && side > 0)) {
    throw new ConfigError('resize-size', `resize: wanted a whole height and width of 1 or more, got [${size}].`)
  }
  if (!Object.hasOwn(FILTERS, filter)) {
    throw new ConfigError('resize-filter', `resize: wanted the filter bicubic or bilinear, got '${filter}'.`)
  }
  checkImage(image)
  const wide = image.width === width ? image : resizeRows(image, width, filter)
  return wide.height === height ? wide : resizeColumns(wide, height, filter)
}
