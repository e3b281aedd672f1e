import type { TensorInfo } from '@tensorflow/tfjs-core'
import type { Addon } from '../addon.ts'
import type { Kernel, Kernels } from './kernel.ts'

type Lists = readonly Float32Array[]
type State = (name: string) => Lists
type MaybeState = (name: string) => Lists | null

/**
 * A step on parameters and their state where they lie (see `runUpdate`): every input is a list, one tensor a parameter.
 * `factor` is what gradients are multiplied by: the input of that name, where there is one, against them to maximize.
 */
function inPlace(
  // biome-ignore lint/suspicious/noExplicitAny: each optimizer knows its attributes
  step: (addon: Addon, attrs: any, factor: number, state: State, optional: MaybeState) => void,
): Kernel {
  return (inputs, attrs, { backend, addon }) => {
    const lists = inputs as unknown as Record<string, readonly TensorInfo[] | undefined>
    const numbers: MaybeState = (name) => lists[name]?.map((x) => backend.floats(x)) ?? null
    const given: State = (name) => {
      const values = numbers(name)
      if (values) return values
      throw new RangeError(`optimizer step: the input ${name} is missing`)
    }
    const factor = numbers('factor')?.[0]?.[0] ?? 1
    step(addon, attrs, attrs.maximize ? -factor : factor, given, numbers)
    return []
  }
}

export const optimizers: Kernels = {
  /** inputs param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq?; attrs lr, beta1, beta2, eps, weightDecay, step, maximize?, coupled? */
  FilatureAdamW: inPlace((addon, attrs, factor, state, maybe) => {
    const { lr, beta1, beta2, eps, weightDecay = 0, step, coupled = false } = attrs
    addon.adamw(
      lr,
      beta1,
      beta2,
      eps,
      weightDecay,
      1 - beta1 ** step,
      1 - beta2 ** step,
      factor,
      coupled,
      state('param'),
      state('grad'),
      state('exp_avg'),
      state('exp_avg_sq'),
      maybe('max_exp_avg_sq'),
    )
  }),

  /** inputs param, grad, sum; attrs lr (the decay over steps in it), eps, epsInsideRoot?, weightDecay?, maximize? */
  FilatureAdagrad: inPlace((addon, attrs, factor, state) => {
    const { lr, eps, weightDecay = 0, epsInsideRoot = false } = attrs
    addon.adagrad(lr, eps, weightDecay, factor, epsInsideRoot, state('param'), state('grad'), state('sum'))
  }),

  /** inputs param, grad, momentum_buffer?; attrs lr, momentum?, dampening?, nesterov?, weightDecay?, maximize?, first? */
  FilatureSGD: inPlace((addon, attrs, factor, state, maybe) => {
    const { lr, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0, first = false } = attrs
    const buffer = maybe('momentum_buffer')
    addon.sgd(lr, momentum, dampening, weightDecay, factor, nesterov, first, state('param'), state('grad'), buffer)
  }),

  /** inputs param, grad, square_avg, grad_avg?, momentum_buffer?; attrs lr, alpha, eps, momentum?, centered?, weightDecay?, maximize? */
  FilatureRMSprop: inPlace((addon, attrs, factor, state, maybe) => {
    const { lr, alpha, eps, momentum = 0, centered = false, weightDecay = 0 } = attrs
    addon.rmsprop(
      lr,
      alpha,
      eps,
      weightDecay,
      momentum,
      factor,
      centered,
      state('param'),
      state('grad'),
      state('square_avg'),
      maybe('grad_avg'),
      maybe('momentum_buffer'),
    )
  }),
}
