import { runUpdate, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { native } from './provider.ts'

/** Of parameters that one call steps: one alone for all threads, some for none, one without elements. */
const sizes = [1037, 40_000, 3, 0, 16]
const numbers = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898 + seed * 78.233))
type State = Record<string, Float64Array>

/** PyTorch's definitions, in double precision. */
const references: Record<
  string,
  {
    attrs: Record<string, unknown>
    factor?: number
    state: string[]
    step: (s: State, g: number, i: number, t: number) => void
  }
> = {
  'AdamW (decay on the parameter)': {
    attrs: { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 },
    state: ['param', 'exp_avg', 'exp_avg_sq'],
    step: (s, g, i, t) => {
      s.param![i]! *= 1 - 0.01 * 0.1
      s.exp_avg![i] = 0.9 * s.exp_avg![i]! + 0.1 * g
      s.exp_avg_sq![i] = 0.99 * s.exp_avg_sq![i]! + 0.01 * g * g
      const deviation = Math.sqrt(s.exp_avg_sq![i]!) / Math.sqrt(1 - 0.99 ** t) + 1e-8
      s.param![i]! -= ((0.01 / (1 - 0.9 ** t)) * s.exp_avg![i]!) / deviation
    },
  },
  'AdamW (decay in the gradient, greatest squares)': {
    attrs: { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, coupled: true, maximize: true },
    state: ['param', 'exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'],
    step: (s, grad, i, t) => {
      const g = -grad + 0.1 * s.param![i]!
      s.exp_avg![i] = 0.9 * s.exp_avg![i]! + 0.1 * g
      s.exp_avg_sq![i] = 0.99 * s.exp_avg_sq![i]! + 0.01 * g * g
      s.max_exp_avg_sq![i] = Math.max(s.max_exp_avg_sq![i]!, s.exp_avg_sq![i]!)
      const deviation = Math.sqrt(s.max_exp_avg_sq![i]!) / Math.sqrt(1 - 0.99 ** t) + 1e-8
      s.param![i]! -= ((0.01 / (1 - 0.9 ** t)) * s.exp_avg![i]!) / deviation
    },
  },
  Adagrad: {
    attrs: { lr: 0.05, eps: 1e-10, weightDecay: 0.01 },
    state: ['param', 'sum'],
    step: (s, grad, i) => {
      const g = grad + 0.01 * s.param![i]!
      s.sum![i]! += g * g
      s.param![i]! -= (0.05 * g) / (Math.sqrt(s.sum![i]!) + 1e-10)
    },
  },
  'Adagrad (epsilon inside the root)': {
    attrs: { lr: 0.05, eps: 1e-2, epsInsideRoot: true },
    state: ['param', 'sum'],
    step: (s, g, i) => {
      s.sum![i]! += g * g
      s.param![i]! -= (0.05 * g) / Math.sqrt(s.sum![i]! + 1e-2)
    },
  },
  SGD: { attrs: { lr: 0.05 }, state: ['param'], step: (s, g, i) => s.param!.set([s.param![i]! - 0.05 * g], i) },
  'SGD (Nesterov, gradient scaled)': {
    attrs: { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.1 },
    factor: 0.5,
    state: ['param', 'momentum_buffer'],
    step: (s, grad, i) => {
      const g = 0.5 * grad + 0.1 * s.param![i]!
      s.momentum_buffer![i] = 0.9 * s.momentum_buffer![i]! + g
      s.param![i]! -= 0.05 * (g + 0.9 * s.momentum_buffer![i]!)
    },
  },
  'RMSprop (centered, with momentum)': {
    attrs: { lr: 0.01, alpha: 0.9, eps: 1e-2, momentum: 0.8, centered: true },
    state: ['param', 'square_avg', 'grad_avg', 'momentum_buffer'],
    step: (s, g, i) => {
      s.square_avg![i] = 0.9 * s.square_avg![i]! + 0.1 * g * g
      s.grad_avg![i] = 0.9 * s.grad_avg![i]! + 0.1 * g
      const deviation = Math.sqrt(s.square_avg![i]! - s.grad_avg![i]! ** 2) + 1e-2
      s.momentum_buffer![i] = 0.8 * s.momentum_buffer![i]! + g / deviation
      s.param![i]! -= 0.01 * s.momentum_buffer![i]!
    },
  },
}

beforeAll(async () => {
  await useBackend(native({ threads: 2, poison: true }))
})

function expectClose(x: tf.Tensor, wanted: Float64Array): void {
  const got = x.dataSync()
  expect(got).toHaveLength(wanted.length)
  for (let i = 0; i < wanted.length; i++) {
    if (!(Math.abs(got[i]! - wanted[i]!) <= 2e-6 * Math.max(1, Math.abs(wanted[i]!)))) {
      throw new Error(`at ${i}: ${got[i]} instead of ${wanted[i]}`)
    }
  }
}

describe.each(Object.entries(references))('%s', (name, { attrs, factor, state, step }) => {
  const kernel = name.split(' ')[0]!

  it('changes all parameters where they lie', () => {
    const begin = (key: string, n: number) => (key === 'param' ? numbers(n, 0) : new Float32Array(n))
    const tensors = Object.fromEntries(state.map((key) => [key, sizes.map((n) => tf.tensor1d(begin(key, n)))]))
    const references: State[] = sizes.map((n) =>
      Object.fromEntries(state.map((key) => [key, Float64Array.from(begin(key, n))])),
    )
    for (let t = 1; t <= 5; t++) {
      const grads = sizes.map((n, k) => numbers(n, t + 10 * k))
      grads.forEach((g, k) => {
        g.forEach((value, i) => void step(references[k]!, value, i, t))
      })
      const grad = grads.map((g) => tf.tensor1d(g))
      const inputs = { ...tensors, grad, ...(factor && { factor: [tf.scalar(factor)] }) }
      expect(runUpdate(kernel, inputs, { ...attrs, step: t })).toBe(true)
      for (const key of state) {
        sizes.forEach((_, k) => void expectClose(tensors[key]![k]!, references[k]![key]!))
      }
    }
  })
})

it('says what is missing', () => {
  const x = [tf.ones([3])]
  const attrs = { lr: 1, beta1: 0.9, beta2: 0.9, eps: 1, step: 1 }
  expect(() => runUpdate('AdamW', { param: x, grad: x }, attrs)).toThrow(/exp_avg/)
  expect(() => runUpdate('SGD', { param: [...x, ...x], grad: x }, attrs)).toThrow(/g must be a list as long as p/)
  expect(runUpdate('NoSuchOptimizer', { param: x, grad: x }, {})).toBe(false)
})

describe('gradients at the ends of the range move a parameter as a square root and a division in float32 do', () => {
  const gradients = [
    0,
    -0,
    1e-37,
    1e-25,
    -1e-21,
    1e-19,
    1e-8,
    1,
    -3e18,
    1e19,
    -1e25,
    3e38,
    Number.POSITIVE_INFINITY,
    Number.NaN,
  ]
  const { fround, sqrt } = Math
  const squares = gradients.map((g) => fround(fround(g) * fround(g)))
  const updates: [string, object, string[], (g: number, square: number) => number][] = [
    ['Adagrad', { lr: 0.1, eps: 1e-10 }, ['sum'], (g, s) => (0.1 * g) / (sqrt(s) + 1e-10)],
    ['RMSprop', { lr: 0.1, alpha: 0, eps: 1e-8, momentum: 0 }, ['square_avg'], (g, s) => (0.1 * g) / (sqrt(s) + 1e-8)],
    [
      'AdamW',
      { lr: 0.1, beta1: 0, beta2: 0, eps: 1e-8, step: 1 },
      ['exp_avg', 'exp_avg_sq'],
      (g, s) => (0.1 * g) / (sqrt(s) + 1e-8),
    ],
  ]
  it.each(updates)('%s', (kernel, attrs, state, update) => {
    const zeros = () => [tf.zeros([gradients.length])]
    const inputs = {
      param: zeros(),
      grad: [tf.tensor1d(gradients)],
      ...Object.fromEntries(state.map((s) => [s, zeros()])),
    }
    expect(runUpdate(kernel, inputs, attrs)).toBe(true)
    inputs.param[0]!.dataSync().forEach((got, i) => {
      const wanted = -update(fround(gradients[i]!), squares[i]!)
      if (Number.isNaN(wanted)) expect(got).toBeNaN()
      else expect(Math.abs(got - wanted), `of ${gradients[i]}`).toBeLessThanOrEqual(1e-6 * Math.abs(wanted) + 1e-38)
    })
  })
})
