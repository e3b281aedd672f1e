import { ConfigError } from '../errors.ts'
import { torchUniform, zerosInit } from '../init.ts'
import { type Module, modulesOf, replaceModule } from '../module.ts'
import { add, mul } from '../ops/elementwise.ts'
import { matMul } from '../ops/matmul.ts'
import type { Tensor, Tensor2D } from '../types.ts'
import { Dropout } from './dropout.ts'
import { Linear } from './linear.ts'

export interface LoraOptions {
  /** Rank of the update. */
  r: number
  /** The update is scaled by alpha / r. */
  alpha: number
  /** Dropout of what goes into the update. */
  dropout?: number
}

/**
 * A Linear with a trainable update of low rank beside its weight (Hu et al. 2021):
 * x W^T + b + (alpha / r) (x A^T) B^T, under peft's names. A starts as a Linear does, B at zero: at first nothing changes.
 */
export class LoraLinear extends Linear {
  readonly lora_A: Linear
  readonly lora_B: Linear
  readonly lora_dropout: Dropout
  readonly scaling: number

  /** Takes the place of `base` and shares its parameters, which are frozen. */
  constructor(base: Linear, { r, alpha, dropout = 0 }: LoraOptions) {
    const [O, I] = base.weight.shape as [number, number]
    super(I, O, { weight: base.weight, bias: base.bias ?? false, activation: base.activation })
    if (!(Number.isInteger(r) && r > 0))
      throw new ConfigError('lora-rank', `LoraLinear: wanted a rank of 1 or more, got ${r}.`)
    if (base.activation !== 'none') {
      throw new ConfigError(
        'lora-activation',
        `LoraLinear: the base layer has an activation (${base.activation}) of its own.`,
      )
    }
    this.lora_A = new Linear(I, r, { bias: false, init: torchUniform() })
    this.lora_B = new Linear(r, O, { bias: false, init: zerosInit })
    this.lora_dropout = new Dropout(dropout)
    this.scaling = alpha / r
    base.weight.trainable = false
    if (base.bias) base.bias.trainable = false
  }

  override forward<T extends Tensor>(x: T): T {
    const update = this.lora_B.forward(this.lora_A.forward(this.lora_dropout.forward(x)))
    return add(super.forward(x), mul(update, this.scaling))
  }

  /** W + (alpha / r) B A: the weight of a plain Linear that computes the same. (out, in) */
  merged(): Tensor2D {
    const update = matMul(this.lora_B.weight.value as Tensor2D, this.lora_A.weight.value)
    return add(this.weight.value as Tensor2D, mul(update, this.scaling))
  }
}

/**
 * Puts a LoraLinear in the place of every Linear whose own name is among `targets` (`['q_proj', 'v_proj']`).
 * @returns the paths that changed
 */
export function applyLora(model: Module, targets: readonly string[], options: LoraOptions): string[] {
  const paths = modulesOf(model)
    .filter(([path, module]) => module instanceof Linear && targets.includes(path.split('.').at(-1)!))
    .map(([path]) => path)
  if (paths.length === 0) {
    throw new ConfigError('lora-targets', `applyLora: no Linear of this model is named ${targets.join(' or ')}.`)
  }
  for (const path of paths) replaceModule(model, path, (base) => new LoraLinear(base as Linear, options))
  return paths
}
