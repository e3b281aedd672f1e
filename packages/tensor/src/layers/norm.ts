import { layerNorm, rmsNorm } from '../fused/norm.ts'
import { onesInit, zerosInit } from '../init.ts'
import { Module } from '../module.ts'
import { Parameter } from '../parameter.ts'
import type { Tensor } from '../types.ts'

/** Layer normalisation over the last axis. (..., C) -> (..., C) */
export class LayerNorm extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | undefined
  readonly eps: number

  constructor(width: number, { eps = 1e-5, bias = true }: { eps?: number; bias?: boolean } = {}) {
    super()
    this.weight = new Parameter([width], onesInit)
    this.bias = bias ? new Parameter([width], zerosInit) : undefined
    this.eps = eps
  }

  forward<T extends Tensor>(x: T): T {
    return layerNorm(x, this.weight.value, this.bias?.value, this.eps)
  }
}

/** Root-mean-square normalisation over the last axis. (..., C) -> (..., C) */
export class RMSNorm extends Module {
  readonly weight: Parameter
  readonly eps: number

  constructor(width: number, { eps = 1e-6 }: { eps?: number } = {}) {
    super()
    this.weight = new Parameter([width], onesInit)
    this.eps = eps
  }

  forward<T extends Tensor>(x: T): T {
    return rmsNorm(x, this.weight.value, this.eps)
  }
}
