import { ConfigError } from '../errors.ts'
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

/**
 * A table of V rows; int32 ids (...) -> (..., C). Ids must lie in 0..V-1 (see `checkIds`).
 * @throws ConfigError for a paddingIdx that is no row
 */
export class Embedding extends Module {
  readonly weight: Parameter
  readonly paddingIdx: number | null

  constructor(vocabulary: number, width: number, { paddingIdx, init = normal(1), weight }: EmbeddingOptions = {}) {
    super()
    if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && paddingIdx >= 0 && paddingIdx < vocabulary)) {
      throw new ConfigError(
        'embedding-padding',
        `Embedding: wanted a paddingIdx from 0 to ${vocabulary - 1}, got ${paddingIdx}.`,
      )
    }
    this.weight = weight ?? new Parameter([vocabulary, width], withZeroRow(init, paddingIdx))
    this.paddingIdx = paddingIdx ?? null
  }

  forward<R extends Tensor = Tensor>(ids: Tensor): R {
    if (this.weight.isPacked) return this.weight.store.gather(ids) as R
    return embedding<R>(this.weight.value, ids, this.paddingIdx)
  }
}
