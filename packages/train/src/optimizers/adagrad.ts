import { add, div, full, type Module, mul, sqrt, square, sub, type Tensor } from '@filature/tensor'
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

export interface AdagradOptions extends CommonOptions {
  /** The rate at step t is lr / (1 + (t - 1) lrDecay). */
  lrDecay: number
  /** What the sums of squares begin with. */
  initialAccumulatorValue: number
  eps: number
  /** Where epsilon stands: g / (sqrt(sum) + eps) as PyTorch, or g / sqrt(sum + eps) as the classic character RNN. */
  epsInsideRoot: boolean
}

const defaults: AdagradOptions = {
  ...commonDefaults,
  lr: 0.01,
  lrDecay: 0,
  initialAccumulatorValue: 0,
  eps: 1e-10,
  epsInsideRoot: false,
}

/** Duchi, Hazan and Singer 2011, as `torch.optim.Adagrad`: sum = sum + g^2, p = p - lr g / (sqrt(sum) + eps). */
export class Adagrad extends Optimizer<AdagradOptions> {
  constructor(model: Module, options: Partial<AdagradOptions> = {}, groups: ParameterGroup<AdagradOptions>[] = []) {
    super(model, defaults, options, groups)
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
    const { initialAccumulatorValue, eps, epsInsideRoot } = options
    const g = withDecay(value, grad, options)
    const sum = add(tensors.sum ?? full(value.shape, initialAccumulatorValue), square(g))
    const deviation = epsInsideRoot ? sqrt(add(sum, eps)) : add(sqrt(sum), eps)
    return { value: sub(value, mul(div(g, deviation), rateAt(step, lr, options))), slots: { sum } }
  }

  protected override kernel(options: AdagradOptions, lr: number, step: number): KernelStep {
    const { eps, epsInsideRoot, weightDecay, maximize } = options
    const attrs = { lr: rateAt(step, lr, options), eps, epsInsideRoot, weightDecay, maximize }
    return { name: 'Adagrad', attrs }
  }
}

const rateAt = (step: number, lr: number, { lrDecay }: AdagradOptions): number => lr / (1 + (step - 1) * lrDecay)
