import { add, div, full, type Module, mul, neg, type Parameter, sqrt, square, sub, type Tensor } from '@filature/tensor'
import { stepByKernel } from './in-place.ts'
import {
  type CommonOptions,
  Optimizer,
  type ParameterGroup,
  requireAtLeastZero,
  type Slots,
  type Update,
} from './optimizer.ts'

export interface AdagradOptions extends CommonOptions {
  /** The rate at step t is lr / (1 + (t - 1) lrDecay). */
  lrDecay: number
  initialAccumulatorValue: number
  eps: number
  /** Where epsilon stands: g / (sqrt(sum) + eps) as PyTorch, or g / sqrt(sum + eps) as the classic character RNN. */
  epsInsideRoot: boolean
}

/** Duchi, Hazan and Singer 2011, as `torch.optim.Adagrad`: sum = sum + g^2, p = p - lr g / (sqrt(sum) + eps). */
export class Adagrad extends Optimizer<AdagradOptions> {
  constructor(model: Module, options: Partial<AdagradOptions> = {}, groups: ParameterGroup<AdagradOptions>[] = []) {
    const defaults = {
      lr: 0.01,
      weightDecay: 0,
      maximize: false,
      lrScale: 1,
      lrDecay: 0,
      initialAccumulatorValue: 0,
      eps: 1e-10,
      epsInsideRoot: false,
    }
    super(model, { ...defaults, ...options }, groups)
  }

  protected override check(options: AdagradOptions): void {
    super.check(options)
    for (const key of ['lrDecay', 'initialAccumulatorValue', 'eps'] as const) {
      requireAtLeastZero(this.name, key, options[key])
    }
  }

  protected slotNames(): readonly string[] {
    return ['sum']
  }

  protected update(value: Tensor, grad: Tensor, { step, tensors }: Slots, options: AdagradOptions, lr: number): Update {
    const { lrDecay, initialAccumulatorValue, eps, epsInsideRoot, weightDecay, maximize } = options
    let g = maximize ? neg(grad) : grad
    if (weightDecay !== 0) g = add(g, mul(value, weightDecay))
    const sum = add(tensors.sum ?? full(value.shape, initialAccumulatorValue), square(g))
    const deviation = epsInsideRoot ? sqrt(add(sum, eps)) : add(sqrt(sum), eps)
    const rate = lr / (1 + (step - 1) * lrDecay)
    return { value: sub(value, mul(div(g, deviation), rate)), slots: { sum } }
  }

  protected override updateInPlace(
    parameter: Parameter,
    grad: Tensor,
    slots: Slots,
    { lrDecay, eps, epsInsideRoot, weightDecay, maximize }: AdagradOptions,
    lr: number,
  ): boolean {
    const rate = lr / (1 + (slots.step - 1) * lrDecay)
    return stepByKernel('Adagrad', parameter, grad, slots, { lr: rate, eps, epsInsideRoot, weightDecay, maximize })
  }
}
