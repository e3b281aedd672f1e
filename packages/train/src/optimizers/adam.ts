import { add, div, type Module, maximum, mul, neg, sqrt, square, sub, type Tensor, zerosLike } from '@filature/tensor'
import type { KernelStep } from './in-place.ts'
import {
  type CommonOptions,
  commonDefaults,
  Optimizer,
  type ParameterGroup,
  requireAtLeastZero,
  requireFraction,
  type Slots,
  type Update,
  withDecay,
} from './optimizer.ts'

export interface AdamOptions extends CommonOptions {
  /** Decay rates of the averages of the gradient and of its square. */
  betas: readonly [number, number]
  eps: number
  /** Divides by the greatest average of squares so far (Reddi et al. 2018). */
  amsgrad: boolean
}

const defaults: AdamOptions = { ...commonDefaults, lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, amsgrad: false }

/**
 * Kingma and Ba 2015, as `torch.optim.Adam`: p = p - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
 * `weightDecay` is added to the gradient.
 */
export class Adam extends Optimizer<AdamOptions> {
  constructor(model: Module, options: Partial<AdamOptions> = {}, groups: ParameterGroup<AdamOptions>[] = []) {
    super(model, defaults, options, groups)
  }

  protected override check(options: AdamOptions): void {
    super.check(options)
    requireAtLeastZero(this.name, 'eps', options.eps)
    for (const i of [0, 1] as const) requireFraction(this.name, `betas[${i}]`, options.betas[i])
  }

  protected slotNames({ amsgrad }: AdamOptions): readonly string[] {
    return amsgrad ? ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'] : ['exp_avg', 'exp_avg_sq']
  }

  protected update(value: Tensor, grad: Tensor, slots: Slots, options: AdamOptions, lr: number): Update {
    return adamStep(value, withDecay(value, grad, options), slots, options, lr)
  }

  /** Whether the decay goes into the gradient, and not onto the parameter. */
  protected get coupled(): boolean {
    return true
  }

  protected override kernel(options: AdamOptions, lr: number, step: number): KernelStep {
    const { betas, eps, weightDecay, maximize } = options
    const [beta1, beta2] = betas
    return { name: 'AdamW', attrs: { lr, beta1, beta2, eps, weightDecay, maximize, coupled: this.coupled, step } }
  }
}

/** Loshchilov and Hutter 2019, as `torch.optim.AdamW`: p is first scaled by 1 - lr weightDecay (0.01 by default). */
export class AdamW extends Adam {
  constructor(model: Module, options: Partial<AdamOptions> = {}, groups: ParameterGroup<AdamOptions>[] = []) {
    super(model, { ...options, weightDecay: options.weightDecay ?? 0.01 }, groups)
  }

  protected override update(value: Tensor, grad: Tensor, slots: Slots, options: AdamOptions, lr: number): Update {
    const decayed = options.weightDecay === 0 ? value : mul(value, 1 - lr * options.weightDecay)
    return adamStep(decayed, options.maximize ? neg(grad) : grad, slots, options, lr)
  }

  protected override get coupled(): boolean {
    return false
  }
}

function adamStep(value: Tensor, g: Tensor, { step, tensors }: Slots, options: AdamOptions, lr: number): Update {
  const { betas, eps, amsgrad } = options
  const [b1, b2] = betas
  const exp_avg = add(mul(tensors.exp_avg ?? zerosLike(value), b1), mul(g, 1 - b1))
  const exp_avg_sq = add(mul(tensors.exp_avg_sq ?? zerosLike(value), b2), mul(square(g), 1 - b2))
  const slots: Record<string, Tensor> = { exp_avg, exp_avg_sq }
  let squares = exp_avg_sq
  if (amsgrad) {
    squares = maximum(tensors.max_exp_avg_sq ?? zerosLike(value), exp_avg_sq)
    slots.max_exp_avg_sq = squares
  }
  const deviation = add(mul(sqrt(squares), 1 / Math.sqrt(1 - b2 ** step)), eps)
  return { value: sub(value, mul(div(exp_avg, deviation), lr / (1 - b1 ** step))), slots }
}
