import { linearBy } from '../fused/packed-linear.ts'
import { type Initializer, torchUniform } from '../init.ts'
import { Module } from '../module.ts'
import type { ActivationKind } from '../ops/activation.ts'
import { Parameter } from '../parameter.ts'
import type { Tensor } from '../types.ts'

export interface LinearOptions {
  /** Whether there is one; a parameter of (out) shares it: a tie. */
  bias?: boolean | Parameter
  /** Applied to the result, inside the same kernel. */
  activation?: ActivationKind
  init?: Initializer
  biasInit?: Initializer
  /** A parameter of (out, in) to share: a tie. */
  weight?: Parameter
}

/** x W^T + b, weights stored (out, in) as in torch. (..., in) -> (..., out) */
export class Linear extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | undefined
  readonly activation: ActivationKind

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super()
    const {
      bias = true,
      activation = 'none',
      init = torchUniform(),
      biasInit = torchUniform(inFeatures),
      weight,
    } = options
    this.weight = weight ?? new Parameter([outFeatures, inFeatures], init)
    this.bias = typeof bias === 'object' ? bias : bias ? new Parameter([outFeatures], biasInit) : undefined
    this.activation = activation
  }

  forward<T extends Tensor>(x: T): T {
    return linearBy(x, this.weight, this.bias?.value, this.activation)
  }
}
