import { add, div, type Module, mul, sqrt, square, sub, type Tensor, zerosLike } from '@filature/tensor'
import type { KernelStep } from './in-place.ts'
import {
  type CommonOptions,
  commonDefaults,
  Optimizer,
  type ParameterGroup,
  requireAtLeastZero,
  type Slots,
  type Update,
  withDecay,
} from './optimizer.ts'

export interface RMSpropOptions extends CommonOptions {
  /** Decay rate of the averages. */
  alpha: number
  eps: number
  /** Part of the direction before that is kept in the next one. */
  momentum: number
  /** Divides by the deviation around the average gradient (Graves 2013). */
  centered: boolean
}

const defaults: RMSpropOptions = {
  ...commonDefaults,
  lr: 0.01,
  alpha: 0.99,
  eps: 1e-8,
  momentum: 0,
  centered: false,
}

/** Tieleman and Hinton 2012, as `torch.optim.RMSprop`: p = p - lr g / (sqrt(v) + eps), momentum on that quotient. */
export class RMSprop extends Optimizer<RMSpropOptions> {
  constructor(model: Module, options: Partial<RMSpropOptions> = {}, groups: ParameterGroup<RMSpropOptions>[] = []) {
    super(model, defaults, options, groups)
  }

  protected override check(options: RMSpropOptions): void {
    super.check(options)
    for (const key of ['alpha', 'eps', 'momentum'] as const) requireAtLeastZero(this.name, key, options[key])
  }

  protected slotNames({ momentum, centered }: RMSpropOptions): readonly string[] {
    return ['square_avg', ...(centered ? ['grad_avg'] : []), ...(momentum > 0 ? ['momentum_buffer'] : [])]
  }

  protected update(value: Tensor, grad: Tensor, { tensors }: Slots, options: RMSpropOptions, lr: number): Update {
    const { alpha, eps, momentum, centered } = options
    const g = withDecay(value, grad, options)
    const average = (before: Tensor | undefined, x: Tensor) =>
      add(mul(before ?? zerosLike(value), alpha), mul(x, 1 - alpha))
    const square_avg = average(tensors.square_avg, square(g))
    const slots: Record<string, Tensor> = { square_avg }
    let variance = square_avg
    if (centered) {
      slots.grad_avg = average(tensors.grad_avg, g)
      variance = sub(square_avg, square(slots.grad_avg))
    }
    let direction = div(g, add(sqrt(variance), eps))
    if (momentum > 0) {
      direction = add(mul(tensors.momentum_buffer ?? zerosLike(value), momentum), direction)
      slots.momentum_buffer = direction
    }
    return { value: sub(value, mul(direction, lr)), slots }
  }

  protected override kernel(options: RMSpropOptions, lr: number): KernelStep {
    const { alpha, eps, momentum, centered, weightDecay, maximize } = options
    return { name: 'RMSprop', attrs: { lr, alpha, eps, momentum, centered, weightDecay, maximize } }
  }
}
