// The ops that models call, on the GPU against tfjs' JavaScript engine, forward and gradient.
import {
  attention,
  dropout,
  embedding,
  erf,
  gelu,
  layerNorm,
  linear,
  matMul,
  recurrent,
  rmsNorm,
  rotary,
  softmaxCrossEntropy,
  swiglu,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  valueAndGradsOf,
} from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { whyNoWebGPU } from './testing/adapter.ts'

const reason = await whyNoWebGPU()
// tfjs computes small tensors on the processor where it can: here the GPU shall
tf.env().set('WEBGPU_CPU_FORWARD', false)
type Run = (...x: Tensor[]) => Tensor | Tensor[]

/** Numbers between -1 and 1 that look random and are the same everywhere. */
const values = (shape: number[], seed: number) =>
  Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233))

async function results(backend: string, run: Run, shapes: number[][], gradient: boolean) {
  await tf.setBackend(backend)
  const tensors = tf.tidy(() => {
    const inputs = shapes.map((shape, i) => tf.tensor(values(shape, i), shape))
    const outputs = [run(...inputs)].flat()
    if (!gradient) return outputs
    const loss = (...x: Tensor[]) =>
      [run(...x)]
        .flat()
        .reduce(
          (sum, y, i) => tf.add(sum, tf.sum(tf.mul(y, tf.tensor(values(y.shape, 50 + i), y.shape)))),
          tf.scalar(0) as Tensor,
        )
    const { grads } = valueAndGradsOf(() => loss(...inputs) as tf.Scalar, inputs)
    return [...outputs, ...grads.map((grad, i) => grad ?? tf.zerosLike(inputs[i]!))]
  })
  const read = await Promise.all(tensors.map(async (t) => ({ shape: t.shape, values: Array.from(await t.data()) })))
  tf.dispose(tensors)
  return read
}

function same(name: string, run: Run, shapes: number[][], { gradient = true, tolerance = 2e-5 } = {}): void {
  test(name, async () => {
    const wanted = await results('cpu', run, shapes, gradient)
    const got = await results('webgpu', run, shapes, gradient)
    got.forEach((result, i) => {
      expect(result.shape).toEqual(wanted[i]!.shape)
      const scale = Math.max(0.1, ...wanted[i]!.values.map(Math.abs))
      const worst = Math.max(...result.values.map((v, j) => Math.abs(v - wanted[i]!.values[j]!)))
      expect(worst / scale, `${name}, result ${i}`).toBeLessThan(tolerance)
    })
  })
}

const ids = (...list: number[]) => tf.tensor1d(list, 'int32')

describe.skipIf(reason)('on the GPU', () => {
  describe('products', () => {
    for (const [a, b, transposeA, transposeB] of [
      [[7, 5], [5, 9], false, false],
      [[5, 7], [9, 5], true, true],
      [[2, 3, 7, 5], [2, 3, 9, 5], false, true],
      [[4, 33, 65], [65, 17], false, false],
    ] as const) {
      const options = { transposeA, transposeB }
      same(`[${a}] [${b}]`, (x, y) => matMul(x!, y!, options), [[...a], [...b]])
    }
    for (const activation of ['none', 'gelu', 'silu', 'tanh', 'quick_gelu'] as const) {
      same(`linear, ${activation}`, (x, w, b) => linear(x!, w!, b, activation), [[2, 5, 7], [6, 7], [6]])
    }
  })

  describe('attention', () => {
    const shapes = [
      [2, 5, 4, 6],
      [2, 5, 4, 6],
      [2, 5, 4, 6],
    ]
    const run =
      (options: object): Run =>
      (q, k, v) =>
        attention(q as Tensor4D, k as Tensor4D, v as Tensor4D, options)
    same('plain', run({}), shapes)
    same('causal, grouped heads', run({ causal: true }), [
      [2, 5, 4, 6],
      [2, 7, 2, 6],
      [2, 7, 2, 3],
    ])
    same('window', run({ window: [2, 1] }), shapes)
    same('dropout', run({ dropout: { rate: 0.4, key: [1, 2], counter: [3, 4] } }), shapes)
    same('bias', (q, k, v, bias) => attention(q as Tensor4D, k as Tensor4D, v as Tensor4D, { bias: bias! }), [
      ...shapes,
      [1, 4, 5, 5],
    ])
    same(
      'rotary',
      (x, c, s) => rotary(x as Tensor4D, c!, s!, { interleaved: true }),
      [
        [2, 5, 3, 8],
        [5, 3],
        [5, 3],
      ],
      { gradient: false },
    )
    same('rotary gradient', (x) => rotary(x as Tensor4D, tf.fill([5, 3], 0.8), tf.fill([5, 3], 0.6)), [[2, 5, 3, 8]])
  })

  describe('the rest of a model', () => {
    same('layer norm', (x, w, b) => layerNorm(x!, w, b), [[3, 4, 19], [19], [19]])
    same('RMS norm', (x, w) => rmsNorm(x!, w!), [[3, 4, 19], [19]])
    same('SwiGLU', (a, b) => swiglu(a!, b!), [
      [3, 11],
      [3, 11],
    ])
    same('GELU and erf', (x) => [gelu(x!), erf(tf.mul(x!, 3))], [[41]])
    same('cross-entropy', (x) => softmaxCrossEntropy(x!, ids(1, -100, 6, 0), { labelSmoothing: 0.1 }), [[4, 7]])
    same('embedding', (w) => [embedding(w!, ids(4, 0, 4, 2)), embedding(w!, ids(1, 1), 1)], [[5, 3]])
    same('dropout', (x) => dropout(x!, { rate: 0.3, key: [9, 8], counter: [7, 6] }), [[50]])
    for (const mode of ['tanh', 'lstm', 'gru'] as const) {
      const n = { tanh: 1, lstm: 4, gru: 3 }[mode]
      const run: Run = (x, h, c, w_ih, w_hh) =>
        recurrent(
          mode,
          x as Tensor3D,
          { h: h as never, c: mode === 'lstm' ? (c as never) : undefined },
          { w_ih: w_ih!, w_hh: w_hh! },
        ).out
      same(
        mode,
        run,
        [
          [4, 2, 3],
          [2, 5],
          [2, 5],
          [n * 5, 3],
          [n * 5, 5],
        ],
        { gradient: mode === 'lstm', tolerance: 5e-5 },
      )
    }
    same('convolution', (x, f) => tf.conv2d(x as Tensor4D, f as Tensor4D, 2, 'same'), [
      [2, 7, 6, 3],
      [3, 3, 3, 4],
    ])
    same('patches', (x, f) => tf.conv2d(x as Tensor4D, f as Tensor4D, 4, 'valid'), [
      [2, 8, 8, 3],
      [4, 4, 3, 5],
    ])
    same('max pooling of a batch', (x) => tf.maxPool(x as Tensor4D, 2, 2, 'same'), [[3, 5, 6, 2]])
    same('sums and means', (x) => [tf.sum(x!, [0, 2]), tf.mean(x!, 1, true), tf.max(x!, -1)], [[3, 5, 7]])
    same(
      'moves',
      (x) => [
        tf.transpose(x!, [2, 0, 1]),
        tf.concat([x!, x!], 1),
        ...tf.split(x!, 2, 2),
        tf.slice(x!, [1, 0, 1], [1, 3, 2]),
        tf.tile(x!, [2, 1, 1]),
        tf.pad(x!, [
          [0, 1],
          [2, 0],
          [1, 1],
        ]),
        tf.reverse(x!, 1),
      ],
      [[2, 3, 4]],
    )
    same('choices', (x, y) => [tf.where(tf.greater(x!, y!), x!, y!), tf.clipByValue(x!, -0.4, 0.5), tf.cumsum(x!, 1)], [
      [3, 5],
      [3, 5],
    ])
    same('softmax', (x) => [tf.softmax(x!), tf.logSoftmax(x!)], [[5, 33]])
    same(
      'elementwise',
      (x) => [
        tf.exp(x!),
        tf.tanh(x!),
        tf.sigmoid(x!),
        tf.rsqrt(tf.add(tf.square(x!), 1)),
        tf.log(tf.add(tf.abs(x!), 1)),
        tf.pow(tf.add(tf.abs(x!), 1), 2.5),
      ],
      [[77]],
    )
  })
})
