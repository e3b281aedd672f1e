import {
  cast,
  concat,
  expandDims,
  full,
  linear,
  Module,
  matMul,
  mul,
  notEqual,
  Parameter,
  softmax,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tanh,
  torchUniform,
  where,
} from '@filature/tensor'
import { LEAST } from './masks.ts'
import type { Score } from './scores.ts'

export interface ContextInputs {
  /** Positions of the memory that count, (B, S). */
  keep?: Tensor2D | undefined
  /** `attention.project(memory)`, when many steps look at one memory. */
  projected?: Tensor3D | undefined
  /** Position of the first query: the step number of a decoder. */
  start?: number
}

/**
 * What a decoder asks of a memory: soft, hard and local attention behind one call.
 * query (B, T, C), memory (B, S, M) -> context (B, T, M)
 */
export abstract class ContextAttention extends Module {
  static override readonly taps: readonly string[] = ['scores', 'pattern']
  abstract readonly score: Score

  project(memory: Tensor3D): Tensor3D {
    return this.score.project(memory)
  }

  abstract forward(query: Tensor3D, memory: Tensor3D, inputs?: ContextInputs): Tensor3D

  protected scores(query: Tensor3D, memory: Tensor3D, { projected }: ContextInputs): Tensor3D {
    return this.tap('scores', this.score.forward(query, projected ?? this.score.project(memory)))
  }
}

/** Softmax over the kept positions; a row without any is zero. scores (B, T, S), keep broadcastable to it */
export function maskedSoftmax(scores: Tensor3D, keep?: Tensor): Tensor3D {
  if (!keep) return softmax(scores)
  const kept = keep.dtype === 'bool' ? keep : notEqual(keep, 0)
  const weights = softmax(where(kept, scores, full(scores.shape, LEAST)) as Tensor3D)
  return mul(weights, cast(kept, 'float32'))
}

/** (B, S) -> (B, 1, S) */
export const overQueries = (keep: Tensor2D | undefined): Tensor | undefined => keep && expandDims(keep, 1)

/**
 * Every position of the memory by its softmax weight: Bahdanau's attention with an AdditiveScore, Luong's global
 * attention with the others. Taps: `scores` (B, T, S) before the mask, `pattern` (B, T, S).
 */
export class SoftAttention extends ContextAttention {
  readonly score: Score

  constructor(score: Score) {
    super()
    this.score = score
  }

  forward(query: Tensor3D, memory: Tensor3D, inputs: ContextInputs = {}): Tensor3D {
    const pattern = maskedSoftmax(this.scores(query, memory, inputs), overQueries(inputs.keep))
    return matMul(this.tap('pattern', pattern), memory)
  }
}

/** tanh(W_c [context; h_t]): what Luong's decoder predicts from (equation 5). (B, T, M), (B, T, C) -> (B, T, C) */
export class AttentionalState extends Module {
  readonly W_c: Parameter

  constructor({ query, memory }: { query: number; memory: number }) {
    super()
    this.W_c = new Parameter([query, memory + query], torchUniform())
  }

  forward(context: Tensor3D, query: Tensor3D): Tensor3D {
    return tanh(linear(concat([context, query], 2), this.W_c.value))
  }
}
