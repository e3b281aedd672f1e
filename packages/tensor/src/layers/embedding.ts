import { embedding } from '../fused/embedding.ts'
import { type Initializer, normal, withZeroRow } from '../init.ts'
import { Module } from '../module.ts'
import { Parameter } from '../parameter.ts'
import type { Tensor } from '../types.ts'

export interface EmbeddingOptions {
  /** A row that gets no gradient and starts at zero. */
  paddingIdx?: number | undefined
  init?: Initializer
  /** A parameter of (V, C) to share: a tie. */
  weight?: Parameter
}

/** A table of V rows; int32 ids (...) -> (..., C) */
export class Embedding extends Module {
  readonly weight: Parameter
  readonly paddingIdx: number | null

  constructor(vocabulary: number, width: number, { paddingIdx, init = normal(1), weight }: EmbeddingOptions = {}) {
    super()
    this.weight = weight ?? new Parameter([vocabulary, width], withZeroRow(init, paddingIdx))
    this.paddingIdx = paddingIdx ?? null
  }

  forward<R extends Tensor = Tensor>(ids: Tensor): R {
    if (this.weight.isPacked) return this.weight.store.gather(ids) as R
    return embedding<R>(this.weight.value, ids, this.paddingIdx)
  }
}
