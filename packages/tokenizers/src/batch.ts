import { TokenizerError } from './errors.ts'
import type { Batch, Encoding } from './tokenizer.ts'

export interface Padding {
  readonly padding: 'longest' | number | false
  readonly side: 'left' | 'right'
  readonly padId: number | undefined
  readonly multipleOf: number
}

/** Rows of any length as one (B, T) block, filled up with the pad id. */
export function padded(encodings: readonly Encoding[], { padding, side, padId, multipleOf }: Padding): Batch {
  if (!Number.isInteger(multipleOf) || multipleOf < 1) {
    throw new TokenizerError(
      'multiple-of',
      `encodeBatch: wanted multipleOf to be a whole number from 1, got ${multipleOf}.`,
    )
  }
  const rows = encodings.length
  const longest = encodings.reduce((max, { ids }) => Math.max(max, ids.length), 0)
  const wanted = typeof padding === 'number' ? padding : longest
  if (longest > wanted) {
    throw new TokenizerError(
      'row-too-long',
      `encodeBatch: a row has ${longest} tokens, more than padding: ${padding}; set maxLength to cut it.`,
    )
  }
  const width = Math.ceil(wanted / multipleOf) * multipleOf
  const uneven = encodings.some(({ ids }) => ids.length !== width)
  if (uneven && padding === false) {
    throw new TokenizerError('uneven-rows', 'encodeBatch: rows differ in length and padding is false.')
  }
  if (uneven && padId === undefined) {
    throw new TokenizerError(
      'no-pad-token',
      'encodeBatch: this tokenizer has no pad token; pass padId (eos will do under a mask).',
    )
  }
  const ids = new Int32Array(rows * width).fill(padId ?? 0)
  const attentionMask = new Int32Array(rows * width)
  const typeIds = new Int32Array(rows * width)
  for (const [row, encoding] of encodings.entries()) {
    const length = encoding.ids.length
    const start = row * width + (side === 'left' ? width - length : 0)
    ids.set(encoding.ids, start)
    typeIds.set(encoding.typeIds, start)
    attentionMask.fill(1, start, start + length)
  }
  return { shape: [rows, width], ids, attentionMask, typeIds, encodings }
}
