import { add, ConfigError, clone, type Module, mul, sub, type Tensor } from '@filature/tensor'
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

export interface SGDOptions extends CommonOptions {
  /** Part of the direction before that is kept in the next one. */
  momentum: number
  /** Part of the gradient that does not enter the momentum; not applied at a parameter's first step. */
  dampening: number
  nesterov: boolean
}

/** `lr` has none: it is not a number until it is given. */
const defaults: SGDOptions = { ...commonDefaults, lr: Number.NaN, momentum: 0, dampening: 0, nesterov: false }

/**
 * Stochastic gradient descent as `torch.optim.SGD`: buf = momentum buf + (1 - dampening) g, p = p - lr buf, with
 * Sutskever et al. 2013's form of Nesterov's momentum. `weightDecay` is added to the gradient.
 */
export class SGD extends Optimizer<SGDOptions> {
  constructor(model: Module, options: Partial<SGDOptions> & { lr: number }, groups: ParameterGroup<SGDOptions>[] = []) {
    super(model, defaults, options, groups)
  }

  protected override check(options: SGDOptions): void {
    super.check(options)
    requireAtLeastZero(this.name, 'momentum', options.momentum)
    if (options.nesterov && (options.momentum <= 0 || options.dampening !== 0)) {
      throw new ConfigError(
        'optimizer-option',
        `SGD: nesterov wants momentum above 0 and dampening 0, got ${options.momentum} and ${options.dampening}.`,
      )
    }
  }

  protected slotNames({ momentum }: SGDOptions): readonly string[] {
    return momentum === 0 ? [] : ['momentum_buffer']
  }

  protected update(value: Tensor, grad: Tensor, { tensors }: Slots, options: SGDOptions, lr: number): Update {
    const { momentum, dampening, nesterov } = options
    const g = withDecay(value, grad, options)
    if (momentum === 0) return { value: sub(value, mul(g, lr)), slots: {} }
    const before = tensors.momentum_buffer
    const buffer = before ? add(mul(before, momentum), mul(g, 1 - dampening)) : clone(g)
    const direction = nesterov ? add(g, mul(buffer, momentum)) : buffer
    return { value: sub(value, mul(direction, lr)), slots: { momentum_buffer: buffer } }
  }

  protected override kernel(options: SGDOptions, lr: number): KernelStep {
    const { momentum, dampening, nesterov, weightDecay, maximize } = options
    return { name: 'SGD', attrs: { lr, momentum, dampening, nesterov, weightDecay, maximize } }
  }
}
