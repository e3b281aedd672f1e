import { ConfigError } from '@filature/tensor'
import type { Ids } from './token-batch.ts'

export interface PaddingOptions {
  /** What fills the shorter rows. */
  value: number
  side?: 'left' | 'right'
  /** The width is rounded up to a multiple of this. */
  multipleOf?: number
  /** Longer rows are cut to this, on the side where padding would stand. */
  maxLength?: number
}

/** Sequences of different lengths as one batch. -> ids (B, T), mask (B, T) with 1 at tokens, lengths (B) */
export function padSequences(
  sequences: readonly ArrayLike<number>[],
  { value, side = 'right', multipleOf = 1, maxLength = Number.POSITIVE_INFINITY }: PaddingOptions,
): { ids: Ids; mask: Ids; lengths: Int32Array } {
  if (sequences.length === 0) throw new ConfigError('padding', 'padSequences: wanted at least one sequence, got none.')
  if (!(Number.isInteger(multipleOf) && multipleOf > 0 && maxLength > 0)) {
    throw new ConfigError(
      'padding',
      `padSequences: wanted multipleOf and maxLength of at least 1, got ${multipleOf} and ${maxLength}.`,
    )
  }
  if (side !== 'left' && side !== 'right') {
    throw new ConfigError('padding', `padSequences: wanted side 'left' or 'right', got ${JSON.stringify(side)}.`)
  }
  const lengths = Int32Array.from(sequences, (row) => Math.min(row.length, maxLength))
  const T = Math.max(1, Math.ceil(Math.max(...lengths) / multipleOf)) * multipleOf
  const B = sequences.length
  const ids = new Int32Array(B * T).fill(value)
  const mask = new Int32Array(B * T)
  sequences.forEach((row, b) => {
    const n = lengths[b]!
    const from = side === 'left' ? row.length - n : 0
    const to = b * T + (side === 'left' ? T - n : 0)
    for (let t = 0; t < n; t++) {
      ids[to + t] = row[from + t]!
      mask[to + t] = 1
    }
  })
  return { ids: { values: ids, shape: [B, T] }, mask: { values: mask, shape: [B, T] }, lengths }
}
