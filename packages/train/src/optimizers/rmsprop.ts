import {
  add,
  div,
  type Module,
  mul,
  neg,
  type Parameter,
  sqrt,
  square,
  sub,
  type Tensor,
  zerosLike,
} from '@filature/tensor'
import { stepByKernel } from './in-place.ts'
import {
  type CommonOptions,
  Optimizer,
  type ParameterGroup,
  requireAtLeastZero,
  type Slots,
  type Update,
} from './optimizer.ts'

export interface RMSpropOptions extends CommonOptions {
  /** Decay rate of the averages. */
  alpha: number
  eps: number
  momentum: number
  /** Divides by the deviation around the average gradient (Graves 2013). */
  centered: boolean
}

/** Tieleman and Hinton 2012, as `torch.optim.RMSprop`: p = p - lr g / (sqrt(v) + eps), momentum on that quotient. */
export class RMSprop extends Optimizer<RMSpropOptions> {
  constructor(model: Module, options: Partial<RMSpropOptions> = {}, groups: ParameterGroup<RMSpropOptions>[] = []) {
    const defaults = {
      lr: 0.01,
      weightDecay: 0,
      maximize: false,
      lrScale: 1,
      alpha: 0.99,
      eps: 1e-8,
      momentum: 0,
      centered: false,
    }
    super(model, { ...defaults, ...options }, groups)
  }

  protected override check(options: RMSpropOptions): void {
    super.check(options)
    for (const key of ['alpha', 'eps', 'momentum'] as const) requireAtLeastZero(this.name, key, options[key])
  }

  protected slotNames({ momentum, centered }: RMSpropOptions): readonly string[] {
    return ['square_avg', ...(centered ? ['grad_avg'] : []), ...(momentum > 0 ? ['momentum_buffer'] : [])]
  }

  protected update(value: Tensor, grad: Tensor, { tensors }: Slots, options: RMSpropOptions, lr: number): Update {
    const { alpha, eps, momentum, centered, weightDecay, maximize } = options
    let g = maximize ? neg(grad) : grad
    if (weightDecay !== 0) g = add(g, mul(value, weightDecay))
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

  protected override updateInPlace(
    parameter: Parameter,
    grad: Tensor,
    slots: Slots,
    { alpha, eps, momentum, centered, weightDecay, maximize }: RMSpropOptions,
    lr: number,
  ): boolean {
    return stepByKernel('RMSprop', parameter, grad, slots, {
      lr,
      alpha,
      eps,
      momentum,
      centered,
      weightDecay,
      maximize,
    })
  }
}
