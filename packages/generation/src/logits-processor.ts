/** One row of a batch at one step of decoding. */
export interface RowState {
  /** Prompt and what was generated so far; ids at masked positions are pads. A view: do not keep it. */
  readonly ids: Int32Array
  /** How many of `ids` are the prompt. */
  readonly promptLength: number
}

/**
 * Changes the scores of the next token, (V), in place: logits, or log-probabilities in a beam search. A removed token is
 * -Infinity.
 */
export type LogitsProcessor = (scores: Float32Array, row: RowState) => void

/** Applies processors one after the other. */
export function chain(processors: readonly LogitsProcessor[]): LogitsProcessor {
  return (scores, row) => {
    for (const process of processors) process(scores, row)
  }
}
