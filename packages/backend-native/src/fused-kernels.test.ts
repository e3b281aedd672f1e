import {
  type AttentionOptions,
  add,
  attention,
  type DropoutDraw,
  differentiate,
  dropout,
  dropoutMask,
  embedding,
  layerNorm,
  linear,
  mul,
  recurrent,
  rmsNorm,
  rotary,
  softmaxCrossEntropy,
  swiglu,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  useBackend,
} from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { numbers, sets, sizeOf } from './__fixtures__/plain.ts'
import type { NativeBackend } from './backend.ts'
import { native } from './provider.ts'

// The matrix of all ops holds the small shapes against double precision. Here: shapes beyond the kernels' blocks, against
// the composed definitions on the cpu engine, forward and gradient.

type Op = (...xs: Tensor[]) => Tensor | Tensor[]

/** Outputs and input gradients, the output gradients being fixed numbers. */
function evaluate(op: Op, shapes: number[][]): Float32Array[] {
  return tidy(() => {
    const xs = shapes.map((shape, i) => tf.tensor(numbers(sizeOf(shape), 31 + i), shape))
    const outputs = tidy(() => [op(...xs)].flat()) as Tensor[]
    const cotangents = outputs.map((y, i) => tf.tensor(numbers(y.size, 77 + i), y.shape))
    const { value, grads } = differentiate(() => [op(...xs)].flat(), xs, cotangents)
    return [...outputs, ...value, ...(grads as Tensor[])].map((x) => x.dataSync() as Float32Array)
  })
}

async function compare(op: Op, shapes: number[][], tolerance = 2e-5): Promise<void> {
  const got = evaluate(op, shapes)
  await tf.setBackend('cpu')
  const wanted = evaluate(op, shapes)
  await tf.setBackend('native')
  expect(got.length).toBe(wanted.length)
  got.forEach((values, k) => {
    const reference = wanted[k]!
    const scale = reference.reduce((m, v) => Math.max(m, Math.abs(v)), 0.1)
    let worst = 0
    for (let i = 0; i < reference.length; i++) {
      const error = Math.abs(values[i]! - reference[i]!) / scale
      worst = error <= worst ? worst : Number.isNaN(error) ? Number.POSITIVE_INFINITY : error
    }
    expect(worst, `result ${k}`).toBeLessThan(tolerance)
  })
}

describe.each(sets())('%s', (instructionSet) => {
  beforeAll(async () => {
    await useBackend(native({ instructionSet, threads: 2, poison: true }))
  })

  describe('attention', () => {
    const cases: [string, number[], AttentionOptions][] = [
      // B T S H G D E
      ['longer than a block of keys', [1, 130, 270, 2, 2, 20, 20], {}],
      ['causal', [2, 150, 150, 2, 1, 16, 16], { causal: true }],
      ['causal with more keys than queries', [1, 40, 300, 2, 2, 24, 12], { causal: true }],
      ['causal with more queries than keys: the first see none', [1, 90, 40, 2, 1, 8, 8], { causal: true }],
      ['a window', [1, 200, 200, 2, 2, 16, 16], { window: [30, 5] }],
      ['a causal window', [1, 200, 260, 2, 2, 16, 16], { causal: true, window: [40, 9] }],
      ['a window that leaves rows empty', [1, 200, 90, 1, 1, 16, 16], { window: [4, 4] }],
      ['dropout', [1, 70, 139, 2, 2, 16, 16], { dropout: { rate: 0.2, key: [1, 2], counter: [3, 4] } }],
      ['all dropped', [1, 9, 9, 1, 1, 8, 8], { dropout: { rate: 1, key: [1, 2], counter: [3, 4] } }],
      ['a scale', [1, 20, 33, 2, 2, 7, 5], { scale: 0.5 }],
    ]
    for (const [name, [B, T, S, H, G, D, E], options] of cases as [
      string,
      [number, number, number, number, number, number, number],
      AttentionOptions,
    ][]) {
      it(name, async () => {
        const op: Op = (q, k, v) => attention(q as Tensor4D, k as Tensor4D, v as Tensor4D, options)
        await compare(op, [
          [B, T, H, D],
          [B, S, G, D],
          [B, S, G, E],
        ])
      })
    }

    it('with a bias of every kind of shape, and its gradient', async () => {
      for (const bias of [
        [2, 4, 33, 140],
        [1, 4, 33, 140],
        [2, 1, 33, 140],
        [1, 4, 1, 140],
        [2, 1, 1, 140],
        [1, 1, 33, 1],
      ]) {
        const op: Op = (q, k, v, b) => attention(q as Tensor4D, k as Tensor4D, v as Tensor4D, { bias: b, causal: true })
        await compare(op, [[2, 33, 4, 8], [2, 140, 2, 8], [2, 140, 2, 8], bias])
      }
    })

    it('decodes over a cache as it attends', async () => {
      for (const [T, S, H, G] of [
        [1, 17, 4, 4],
        [1, 700, 6, 2],
        [2, 1100, 4, 1],
        [4, 600, 2, 2],
      ] as const) {
        const op: Op = (q, k, v) => attention(q as Tensor4D, k as Tensor4D, v as Tensor4D, { causal: true })
        await compare(op, [
          [2, T, H, 16],
          [2, S, G, 16],
          [2, S, G, 16],
        ])
      }
    })
  })

  describe('recurrent', () => {
    for (const mode of ['tanh', 'relu', 'lstm', 'gru'] as const) {
      for (const reverse of [false, true]) {
        it(`${mode}${reverse ? ' backwards' : ''}`, async () => {
          const n = { tanh: 1, relu: 1, lstm: 4, gru: 3 }[mode]
          for (const [T, B, I, H] of [
            [1, 1, 3, 2],
            [7, 1, 9, 100],
            [6, 3, 5, 33],
            [5, 33, 12, 70],
            [9, 25, 5, 72], // threads share the samples
            [2, 40, 3, 170], // threads share the units
          ] as const) {
            const op: Op = (x, h, c, w_ih, w_hh, b_ih, b_hh) => {
              const scaled = { w_ih: mul(w_ih!, 0.3), w_hh: mul(w_hh!, 0.2), b_ih, b_hh }
              const r = recurrent(mode, x as Tensor3D, { h: h as Tensor2D, c: c as Tensor2D }, scaled, { reverse })
              // cells take part also where there are none, so that every input has a gradient
              return [r.out, r.h, r.c ?? mul(c!, 1)]
            }
            await compare(op, [[T, B, I], [B, H], [B, H], [n * H, I], [n * H, H], [n * H], [n * H]])
          }
        })
      }
    }

    it('without biases', async () => {
      const op: Op = (x, h, w_ih, w_hh) =>
        recurrent('gru', x as Tensor3D, { h: h as Tensor2D }, { w_ih: w_ih!, w_hh: mul(w_hh!, 0.2) }).out
      await compare(op, [
        [4, 2, 3],
        [2, 20],
        [60, 3],
        [60, 20],
      ])
    })
  })

  describe('rows', () => {
    for (const [rows, columns] of [
      [1, 1],
      [3, 5],
      [7, 65],
      [300, 100],
      [40, 1100],
    ] as const) {
      it(`norms, gated units and losses of (${rows}, ${columns})`, async () => {
        await compare(
          (x, w, b) => layerNorm(x!, w, b),
          [[rows, columns], [columns], [columns]],
          columns === 1 ? 1e-3 : 5e-5,
        )
        await compare((x) => layerNorm(x!), [[rows, columns]], columns === 1 ? 1e-3 : 5e-5)
        await compare((x, w) => rmsNorm(x!, w!), [[rows, columns], [columns]])
        await compare(
          (g, u) => swiglu(g!, u!),
          [
            [rows, columns],
            [rows, columns],
          ],
        )
        const labels = () =>
          tf.tensor1d(
            Array.from({ length: rows }, (_, i) => (i % 5 === 3 ? -100 : i % columns)),
            'int32',
          )
        for (const labelSmoothing of [0, 0.1]) {
          await compare((x) => softmaxCrossEntropy(mul(x!, 9), labels(), { labelSmoothing }), [[rows, columns]])
        }
        const ids = () =>
          tf.tensor2d(
            Array.from({ length: rows * 3 }, (_, i) => (i * 7) % rows),
            [rows, 3],
            'int32',
          )
        await compare((w) => embedding(w!, ids(), rows > 1 ? 1 : null), [[rows, columns]])
      })
    }

    it('linear with every activation', async () => {
      for (const activation of [
        'none',
        'relu',
        'gelu',
        'gelu_tanh',
        'silu',
        'tanh',
        'sigmoid',
        'quick_gelu',
      ] as const) {
        for (const [rows, I, O] of [
          [1, 40, 70],
          [2, 5, 3],
          [9, 33, 100],
          [120, 70, 65],
        ] as const) {
          await compare((x, w, b) => linear(x!, w!, b, activation), [[rows, I], [O, I], [O]])
        }
        await compare(
          (x, w) => linear(x!, w!, undefined, activation),
          [
            [2, 6, 10],
            [7, 10],
          ],
        )
      }
    })

    it('rotary', async () => {
      const angles = (shape: number[]) => tf.tensor(numbers(sizeOf(shape), 5), shape)
      for (const interleaved of [false, true]) {
        for (const [B, T, H, D, R] of [
          [2, 5, 3, 8, 8],
          [1, 40, 2, 64, 64],
          [2, 9, 2, 50, 40],
        ] as const) {
          await compare(
            (x) => rotary(x as Tensor4D, angles([T, R / 2]), angles([T, R / 2]), { interleaved }),
            [[B, T, H, D]],
          )
          await compare(
            (x) => rotary(x as Tensor4D, angles([B, T, R / 2]), angles([B, T, R / 2]), { interleaved, inverse: true }),
            [[B, T, H, D]],
          )
        }
      }
    })

    it("dropout by the core's stream", () => {
      const draw: DropoutDraw = { rate: 0.37, key: [0x12345678, 0x9abcdef0], counter: [5, 0xffffffff] }
      for (const n of [1, 3, 64, 1000, 50_001]) {
        const x = tf.ones([n])
        expect(dropout(x, draw).dataSync()).toEqual(dropoutMask([n], draw).dataSync())
      }
    })
  })

  it('frees what a kernel had made when it refuses its inputs', () => {
    const x = tf.ones([3, 4])
    const [tensors, data] = [tf.memory().numTensors, tf.memory().numDataBuffers]
    const [wrong, outside] = [tf.tensor1d([0, 9, 1], 'int32'), tf.tensor1d([7], 'int32')]
    for (let i = 0; i < 3; i++) {
      expect(() => softmaxCrossEntropy(x, wrong)).toThrow(/labels must be from 0 to 3; entry 1 is 9/)
      expect(() => embedding(x, outside)).toThrow(/outside 0..2/)
    }
    tf.dispose([wrong, outside])
    expect([tf.memory().numTensors, tf.memory().numDataBuffers]).toEqual([tensors, data])
    expect((tf.backend() as NativeBackend).numDataIds()).toBe(data)
  })

  it('says which input has been disposed', () => {
    const [x, w] = [tf.ones([3, 4]), tf.ones([5, 4])]
    w.dispose()
    expect(() => linear(x, w)).toThrow(/FilatureLinear: its input weight \[5,4\] has been disposed; keep/)
  })

  it('joint gradients come in one call only where they are wanted', async () => {
    const [x, w, b] = [tf.ones([3, 4]), tf.ones([5, 4]), tf.ones([5])]
    const only = differentiate(() => linear(x, w, b, 'gelu'), [w], [tf.ones([3, 5])]).grads
    const all = differentiate(() => linear(x, w, b, 'gelu'), [x, w, b], [tf.ones([3, 5])]).grads
    expect(only[0]!.dataSync()).toEqual(all[1]!.dataSync())
    expect(add(all[2]!, 0).shape).toEqual([5])
  })
})
