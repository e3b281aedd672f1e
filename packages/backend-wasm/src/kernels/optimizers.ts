import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { float } from '../module/kernel-module.ts'
import { type Inputs, kernel, sizeOf, type TensorInfo } from './kernel.ts'

interface Numbers {
  kind: 0 | 1 | 2 | 3
  flag?: boolean
  first?: boolean
  lr: number
  a?: number
  b?: number
  eps?: number
  decay?: number
  c1?: number
  c2?: number
}

/**
 * A step on parameters and their state where they lie (see `runUpdate`): every input is a list, one tensor a parameter.
 * The input `factor` multiplies the gradients. `names`: parameter, then what stands for m, v and extra in
 * kernels/optimizer.c.
 */
function inPlace(name: string, names: readonly string[], numbers: (attrs: never) => Numbers): KernelConfig {
  return kernel(name, (engine: WasmEngine, inputs: Inputs, attrs: never) => {
    const { kernels } = engine
    const lists = inputs as unknown as Record<string, readonly TensorInfo[] | undefined>
    const { kind, flag, first, lr, a = 0, b = 0, eps = 0, decay = 0, c1 = 1, c2 = 1 } = numbers(attrs)
    const factor = lists.factor ? engine.floats(lists.factor[0]!)[0]! : 1
    const sign = (attrs as { maximize?: boolean }).maximize ? -factor : factor
    const floats = [lr, a, b, eps, decay, sign, c1, c2].map(float)
    lists.param!.forEach((param, i) => {
      const [p = 0, m = 0, v = 0, extra = 0] = names.map((each) => engine.at(lists[each]?.[i]))
      const words = [p, m, v, extra, engine.at(lists.grad![i]), sizeOf(param.shape), kind, Number(flag ?? 0)]
      kernels.run.optimizer_step!(kernels.context, kernels.write([...words, Number(first ?? 0), ...floats]))
    })
    return []
  })
}

interface AdamW {
  lr: number
  beta1: number
  beta2: number
  eps: number
  weightDecay?: number
  step: number
  coupled?: boolean
}

interface RMSprop {
  lr: number
  alpha: number
  eps: number
  momentum?: number
  centered?: boolean
  weightDecay?: number
}

interface SGD {
  lr: number
  momentum?: number
  dampening?: number
  nesterov?: boolean
  weightDecay?: number
  /** The momentum buffer has no value yet. */
  first?: boolean
}

interface Adagrad {
  /** With the decay over steps already in it. */
  lr: number
  eps: number
  epsInsideRoot?: boolean
  weightDecay?: number
}

export const optimizers: KernelConfig[] = [
  inPlace(
    'FilatureAdamW',
    ['param', 'exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'],
    ({ lr, beta1, beta2, eps, weightDecay, step, coupled }: AdamW) => ({
      ...{ kind: 0, flag: coupled, lr, a: beta1, b: beta2, eps, decay: weightDecay },
      ...{ c1: 1 - beta1 ** step, c2: 1 - beta2 ** step },
    }),
  ),
  inPlace('FilatureAdagrad', ['param', 'sum'], ({ lr, eps, weightDecay, epsInsideRoot }: Adagrad) => ({
    ...{ kind: 1, flag: epsInsideRoot, lr, eps, decay: weightDecay },
  })),
  inPlace('FilatureSGD', ['param', 'momentum_buffer'], (attrs: SGD) => ({
    ...{ kind: 2, flag: attrs.nesterov, first: attrs.first, lr: attrs.lr, a: attrs.momentum },
    ...{ b: 1 - (attrs.dampening ?? 0), decay: attrs.weightDecay },
  })),
  inPlace('FilatureRMSprop', ['param', 'square_avg', 'grad_avg', 'momentum_buffer'], (attrs: RMSprop) => ({
    ...{ kind: 3, flag: attrs.centered, lr: attrs.lr, a: attrs.alpha, b: attrs.momentum, eps: attrs.eps },
    decay: attrs.weightDecay,
  })),
]
