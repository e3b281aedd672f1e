import { useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { wasm } from '../index.ts'
import { random, relativeError, toTensor } from '../testing/checks.ts'

type State = Record<string, number>
type Numbers = Record<string, number>

beforeAll(async () => {
  await useBackend(wasm({ threads: 2 }))
})

const N = 70_003

/** Three steps of the kernel against three of the rule in float64, element by element. */
function steps(
  kernel: string,
  slots: string[],
  attrs: (step: number) => object,
  rule: (s: State, g: number, step: number) => void,
) {
  tf.tidy(() => {
    const param = random([N], 1)
    const state = Object.fromEntries(
      ['param', ...slots].map((name) => [name, name === 'param' ? Float64Array.from(param.data) : new Float64Array(N)]),
    )
    const tensors = Object.fromEntries(
      Object.entries(state).map(([name, data]) => [name, toTensor({ shape: [N], data })]),
    )
    for (let step = 1; step <= 3; step++) {
      const grad = random([N], 100 + step)
      const out = tf.engine().runKernel(kernel, { ...tensors, grad: toTensor(grad) }, attrs(step) as never)
      expect(out).toEqual([])
      for (let i = 0; i < N; i++) {
        const one: State = Object.fromEntries(Object.entries(state).map(([name, data]) => [name, data[i]!]))
        rule(one, grad.data[i]!, step)
        for (const name in one) state[name]![i] = one[name]!
      }
      for (const [name, data] of Object.entries(state)) {
        expect(relativeError(tensors[name]!.dataSync(), data), `${name} after step ${step}`).toBeLessThan(2e-6)
      }
    }
  })
}

function adam(s: Numbers, d: number, step: number, amsgrad: boolean): void {
  s.exp_avg = 0.9 * s.exp_avg! + 0.1 * d
  s.exp_avg_sq = 0.99 * s.exp_avg_sq! + 0.01 * d * d
  let v = s.exp_avg_sq
  if (amsgrad) v = s.max_exp_avg_sq = Math.max(s.max_exp_avg_sq!, v)
  s.param! -= ((0.01 / (1 - 0.9 ** step)) * s.exp_avg) / (Math.sqrt(v / (1 - 0.99 ** step)) + 1e-8)
}

describe('steps in place', () => {
  const adamAttrs = { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 }
  test('AdamW', () => {
    steps(
      'FilatureAdamW',
      ['exp_avg', 'exp_avg_sq'],
      (step) => ({ ...adamAttrs, step }),
      (s, g, step) => {
        s.param! *= 1 - 0.01 * 0.1
        adam(s, g, step, false)
      },
    )
  })
  test('Adam with coupled decay, AMSGrad, maximizing', () => {
    const slots = ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq']
    const attrs = (step: number) => ({ ...adamAttrs, step, coupled: true, maximize: true })
    steps('FilatureAdamW', slots, attrs, (s, g, step) => adam(s, -g + 0.1 * s.param!, step, true))
  })
  for (const epsInsideRoot of [false, true]) {
    test(`Adagrad, epsilon ${epsInsideRoot ? 'inside' : 'outside'} the root`, () => {
      const attrs = () => ({ lr: 0.1, eps: 1e-3, epsInsideRoot, weightDecay: 0.01 })
      steps('FilatureAdagrad', ['sum'], attrs, (s, g) => {
        const d = g + 0.01 * s.param!
        s.sum! += d * d
        s.param! -= (0.1 * d) / (epsInsideRoot ? Math.sqrt(s.sum! + 1e-3) : Math.sqrt(s.sum!) + 1e-3)
      })
    })
  }
  for (const nesterov of [false, true]) {
    test(`SGD with momentum${nesterov ? ', Nesterov' : ''}`, () => {
      const dampening = nesterov ? 0 : 0.2
      const attrs = (step: number) => ({ lr: 0.1, momentum: 0.9, dampening, nesterov, first: step === 1 })
      steps('FilatureSGD', ['momentum_buffer'], attrs, (s, g, step) => {
        s.momentum_buffer = step === 1 ? g : 0.9 * s.momentum_buffer! + (1 - dampening) * g
        s.param! -= 0.1 * (nesterov ? g + 0.9 * s.momentum_buffer : s.momentum_buffer)
      })
    })
  }
  test('plain SGD', () => {
    steps(
      'FilatureSGD',
      [],
      () => ({ lr: 0.1, weightDecay: 0.5 }),
      (s, g) => {
        s.param! -= 0.1 * (g + 0.5 * s.param!)
      },
    )
  })
  for (const centered of [false, true]) {
    test(`RMSprop${centered ? ', centred, with momentum' : ''}`, () => {
      const slots = ['square_avg', ...(centered ? ['grad_avg', 'momentum_buffer'] : [])]
      const attrs = () => ({ lr: 0.01, alpha: 0.9, eps: 1e-3, centered, momentum: centered ? 0.5 : 0 })
      steps('FilatureRMSprop', slots, attrs, (s, g) => {
        s.square_avg = 0.9 * s.square_avg! + 0.1 * g * g
        let spread = s.square_avg
        if (centered) {
          s.grad_avg = 0.9 * s.grad_avg! + 0.1 * g
          spread -= s.grad_avg ** 2
        }
        const move = g / (Math.sqrt(spread) + 1e-3)
        if (centered) s.momentum_buffer = 0.5 * s.momentum_buffer! + move
        s.param! -= 0.01 * (centered ? s.momentum_buffer! : move)
      })
    })
  }

  test('a parameter that somebody holds a clone of is copied, not written', () => {
    tf.tidy(() => {
      const param = tf.tensor1d([1, 2, 3])
      const held = tf.clone(param)
      const grad = tf.ones([3])
      const [next] = tf.engine().runKernel('FilatureSGD', { param, grad }, { lr: 0.5 }) as unknown as tf.Tensor[]
      expect(Array.from(held.dataSync())).toEqual([1, 2, 3])
      expect(Array.from(next!.dataSync())).toEqual([0.5, 1.5, 2.5])
    })
  })
})
