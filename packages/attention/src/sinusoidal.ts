import {
  ConfigError,
  Embedding,
  type Initializer,
  normal,
  range,
  ShapeError,
  type Tensor2D,
  tensor,
} from '@filature/tensor'

/**
 * Sinusoidal positions (Vaswani et al. 2017, section 3.5), row-major (length, width): column 2i is sin(p / base^(2i / C)),
 * column 2i + 1 its cosine.
 */
export function sinusoidalTable(length: number, width: number, { base = 10000, start = 0 } = {}): Float32Array {
  const table = new Float32Array(length * width)
  for (let c = 0; c < width; c++) {
    const frequency = base ** (-(c - (c % 2)) / width)
    for (let p = 0; p < length; p++) {
      const angle = (start + p) * frequency
      table[p * width + c] = c % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
    }
  }
  return table
}

/** Rows from position 0 on, by width and base, as far as anybody asked: sines cost more than a small model's layer. */
const tables = new Map<string, Float32Array>()
/** Longer tables are made anew each time. */
const LONGEST = 1 << 22

function rowsOf(length: number, width: number, base: number, start: number): Float32Array {
  const end = (start + length) * width
  const held = Number.isInteger(start) && start >= 0 // other positions are between the rows, or before them
  if (end > LONGEST || !held) return sinusoidalTable(length, width, { base, start })
  const key = `${width} ${base}`
  let table = tables.get(key)
  if (!table || table.length < end) {
    const rows = Math.min(2 * (start + length), Math.floor(LONGEST / width))
    table = sinusoidalTable(rows, width, { base })
    tables.set(key, table)
  }
  return table.slice(start * width, end)
}

/** `sinusoidalTable` as a tensor (T, C). */
export function sinusoidalPositions(
  length: number,
  width: number,
  { base = 10000, start = 0 }: { base?: number; start?: number } = {},
): Tensor2D {
  return tensor(rowsOf(length, width, base, start), [length, width])
}

/** A learned vector for each position, `weight` (positions, C). */
export class LearnedPositions extends Embedding {
  constructor(positions: number, width: number, { init = normal(0.02) }: { init?: Initializer } = {}) {
    super(positions, width, { init })
  }

  /** Positions start ... start + T - 1. -> (T, C) */
  rows(length: number, start = 0): Tensor2D {
    const [positions] = this.weight.shape as [number]
    if (start < 0 || !Number.isInteger(start)) {
      throw new ConfigError('positions-start', `LearnedPositions: wanted a start of 0 or more, got ${start}.`)
    }
    if (start + length > positions) {
      throw new ShapeError(
        'positions-beyond',
        `LearnedPositions: wanted positions below ${positions}, got ${start} to ${start + length - 1}; ` +
          'shorten the text or build the model with more positions.',
      )
    }
    return this.forward<Tensor2D>(range(start, start + length))
  }
}
