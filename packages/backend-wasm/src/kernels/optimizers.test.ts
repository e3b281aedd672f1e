import { runUpdate, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { wasm } from '../index.ts'
import { random, relativeError, toTensor } from '../testing/checks.ts'

type State = Record<string, number>
type Arrays = Record<string, Float64Array>
type Numbers = Record<string, number>

beforeAll(async () => {
  await useBackend(wasm({ threads: 2 }))
})

/** Of the parameters that one call steps. */
const sizes = [70_003, 5, 0]

/** Three steps of the kernel against three of the rule in float64, element by element. */
function steps(
  kernel: string,
  slots: string[],
  attrs: (step: number) => object,
  rule: (s: State, g: number, step: number) => void,
) {
  tf.tidy(() => {
    const states = sizes.map((n, k) => {
      const zeros = slots.map((name) => [name, new Float64Array(n)])
      return { param: Float64Array.from(random([n], 1 + k).data), ...Object.fromEntries(zeros) } as Arrays
    })
    const lists = Object.fromEntries(
      ['param', ...slots].map((name) => [
        name,
        states.map((state, k) => toTensor({ shape: [sizes[k]!], data: state[name]! })),
      ]),
    )
    for (let step = 1; step <= 3; step++) {
      const grads = sizes.map((n, k) => random([n], 100 * k + step))
      expect(runUpdate(kernel, { ...lists, grad: grads.map(toTensor) }, attrs(step))).toBe(true)
      states.forEach((state, k) => {
        for (let i = 0; i < sizes[k]!; i++) {
          const one: State = Object.fromEntries(Object.entries(state).map(([name, data]) => [name, data[i]!]))
          rule(one, grads[k]!.data[i]!, step)
          for (const name in one) state[name]![i] = one[name]!
        }
        for (const [name, data] of Object.entries(state)) {
          const got = lists[name]![k]!.dataSync()
          expect(got).toHaveLength(sizes[k]!)
          expect(relativeError(got, data), `${name} of parameter ${k} after step ${step}`).toBeLessThan(2e-6)
        }
      })
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
      'AdamW',
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
    steps('AdamW', slots, attrs, (s, g, step) => adam(s, -g + 0.1 * s.param!, step, true))
  })
  for (const epsInsideRoot of [false, true]) {
    test(`Adagrad, epsilon ${epsInsideRoot ? 'inside' : 'outside'} the root`, () => {
      const attrs = () => ({ lr: 0.1, eps: 1e-3, epsInsideRoot, weightDecay: 0.01 })
      steps('Adagrad', ['sum'], attrs, (s, g) => {
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
      steps('SGD', ['momentum_buffer'], attrs, (s, g, step) => {
        s.momentum_buffer = step === 1 ? g : 0.9 * s.momentum_buffer! + (1 - dampening) * g
        s.param! -= 0.1 * (nesterov ? g + 0.9 * s.momentum_buffer : s.momentum_buffer)
      })
    })
  }
  test('plain SGD', () => {
    steps(
      'SGD',
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
      steps('RMSprop', slots, attrs, (s, g) => {
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
})
