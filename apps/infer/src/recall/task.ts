import { type Rng, type Tensor2D, tensor } from '@filature/tensor'

/** Symbols that a sequence is made of. One of them, marked, is to be named at the end. */
export const SYMBOLS = 8
/** Plain symbols, marked ones, and the question. */
export const VOCABULARY = 2 * SYMBOLS + 1
const QUESTION = 2 * SYMBOLS

export interface RecallBatch {
  /** int32 (B, distance + 1): a marked symbol, `distance` - 1 others, the question. */
  readonly ids: Tensor2D
  /** The marked symbol, int32 (B). */
  readonly labels: Int32Array
}

/** What stands `distance` steps before the question must be recalled; all between is noise of the same symbols. */
export function recallBatch(rng: Rng, B: number, distance: number): RecallBatch {
  const T = distance + 1
  const ids = new Int32Array(B * T)
  const labels = new Int32Array(B)
  for (let b = 0; b < B; b++) {
    labels[b] = rng.integer(SYMBOLS)
    ids[b * T] = SYMBOLS + labels[b]!
    for (let t = 1; t < T - 1; t++) ids[b * T + t] = rng.integer(SYMBOLS)
    ids[b * T + T - 1] = QUESTION
  }
  return { ids: tensor(ids, [B, T], 'int32') as Tensor2D, labels }
}
