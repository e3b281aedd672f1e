import type { TensorInfo } from '@tensorflow/tfjs-core'
import type { Addon } from '../addon.ts'
import type { NativeBackend } from '../backend.ts'
import type { Inputs, Kernel, Kernels } from './kernel.ts'

type Floats = Float32Array
type State = (name: string) => Floats
type MaybeState = (name: string) => Floats | null

/**
 * A step on the parameter and its state where they lie: the kernel returns nothing. Where one of them shares its data with
 * another tensor (a clone somebody holds), the step works on copies and returns them instead, in the order of `names`.
 */
function inPlace(
  names: readonly string[],
  // biome-ignore lint/suspicious/noExplicitAny: each optimizer knows its attributes
  step: (addon: Addon, attrs: any, n: number, state: State, optional: MaybeState, grad: Floats) => void,
): Kernel {
  return (inputs: Inputs, attrs, { backend, addon }) => {
    const present = names.filter((name) => inputs[name])
    const shared = present.some((name) => backend.refCount(inputs[name]!.dataId) > 1)
    const copies = new Map<string, TensorInfo>()
    if (shared) for (const name of present) copies.set(name, copyOf(backend, inputs[name]!))
    const numbers: MaybeState = (name) => {
      const x = copies.get(name) ?? inputs[name]
      return x ? backend.floats(x) : null
    }
    const given: State = (name) => {
      const values = numbers(name)
      if (values) return values
      throw new RangeError(`optimizer step: the input ${name} is missing`)
    }
    const grad = backend.floats(inputs.grad!)
    step(addon, attrs, grad.length, given, numbers, grad)
    return present.flatMap((name) => copies.get(name) ?? [])
  }
}

function copyOf(backend: NativeBackend, x: TensorInfo): TensorInfo {
  const from = backend.floats(x)
  const values = backend.memoryPool.floats(from.length)
  values.set(from)
  return backend.makeTensorInfo(x.shape, 'float32', values)
}

const signOf = (attrs: { maximize?: boolean; gradScale?: number }) => (attrs.maximize ? -1 : 1) * (attrs.gradScale ?? 1)

export const optimizers: Kernels = {
  /** inputs param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq?; attrs lr, beta1, beta2, eps, weightDecay, step, maximize?, coupled? */
  FilatureAdamW: inPlace(
    ['param', 'exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'],
    (addon, attrs, n, state, maybe, grad) => {
      const { lr, beta1, beta2, eps, weightDecay = 0, step, coupled = false } = attrs
      addon.adamw(
        n,
        lr,
        beta1,
        beta2,
        eps,
        weightDecay,
        1 - beta1 ** step,
        1 - beta2 ** step,
        signOf(attrs),
        coupled,
        state('param'),
        grad,
        state('exp_avg'),
        state('exp_avg_sq'),
        maybe('max_exp_avg_sq'),
      )
    },
  ),

  /** inputs param, grad, sum; attrs lr (the decay over steps in it), eps, epsInsideRoot?, weightDecay?, maximize? */
  FilatureAdagrad: inPlace(['param', 'sum'], (addon, attrs, n, state, _, grad) => {
    const { lr, eps, weightDecay = 0, epsInsideRoot = false } = attrs
    addon.adagrad(n, lr, eps, weightDecay, signOf(attrs), epsInsideRoot, state('param'), grad, state('sum'))
  }),

  /** inputs param, grad, momentum_buffer?; attrs lr, momentum?, dampening?, nesterov?, weightDecay?, maximize?, first? */
  FilatureSGD: inPlace(['param', 'momentum_buffer'], (addon, attrs, n, state, maybe, grad) => {
    const { lr, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0, first = false } = attrs
    const buffer = maybe('momentum_buffer')
    addon.sgd(n, lr, momentum, dampening, weightDecay, signOf(attrs), nesterov, first, state('param'), grad, buffer)
  }),

  /** inputs param, grad, square_avg, grad_avg?, momentum_buffer?; attrs lr, alpha, eps, momentum?, centered?, weightDecay?, maximize? */
  FilatureRMSprop: inPlace(
    ['param', 'square_avg', 'grad_avg', 'momentum_buffer'],
    (addon, attrs, n, state, maybe, grad) => {
      const { lr, alpha, eps, momentum = 0, centered = false, weightDecay = 0 } = attrs
      addon.rmsprop(
        n,
        lr,
        alpha,
        eps,
        weightDecay,
        momentum,
        signOf(attrs),
        centered,
        state('param'),
        grad,
        state('square_avg'),
        maybe('grad_avg'),
        maybe('momentum_buffer'),
      )
    },
  ),
}
