import { useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { close, make, numbers, onCpu, sets } from './__fixtures__/plain.ts'
import { loadAddon } from './addon.ts'
import { native } from './provider.ts'

describe.each(sets())('%s', (instructionSet) => {
  it('counts the operations of its multiply-adds, on each thread', () => {
    const addon = loadAddon()
    addon.isa(instructionSet)
    const width = { baseline: 4, avx2: 8, avx512: 16 }[instructionSet]!
    for (const threads of [1, 2]) {
      addon.threads(threads)
      expect(addon.multiplyAdds(1000)).toBe(2 * 12 * 1000 * width * threads)
    }
  })

  beforeAll(async () => {
    await useBackend(native({ instructionSet, threads: 2, poison: true }))
  })

  describe('products', () => {
    const shapes = [
      [1, 1, 1],
      [1, 7, 5],
      [1, 100, 100],
      [2, 65, 33],
      [3, 130, 17],
      [4, 5, 300],
      [5, 64, 1],
      [13, 31, 29],
      [14, 32, 64],
      [15, 33, 65],
      [29, 97, 401],
      [32, 70, 2],
      [100, 1, 50],
      [131, 260, 77],
      [64, 3100, 9],
      [3, 0, 4],
      [0, 3, 4],
      [3, 4, 0],
    ] as const
    for (const [M, N, K] of shapes) {
      it(`(${M}, ${K}) by (${K}, ${N}), all transpositions`, () => {
        const a = numbers(M * K, 3)
        const b = numbers(K * N, 4)
        const wanted = new Float64Array(M * N)
        for (let m = 0; m < M; m++)
          for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) wanted[m * N + n]! += a[m * K + k]! * b[k * N + n]!
        for (const [ta, tb] of [
          [false, false],
          [false, true],
          [true, false],
          [true, true],
        ] as const) {
          const flipped = (x: Float32Array, rows: number, columns: number) =>
            Float32Array.from({ length: x.length }, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!)
          const x = tf.tensor2d(ta ? flipped(a, M, K) : a, ta ? [K, M] : [M, K])
          const y = tf.tensor2d(tb ? flipped(b, K, N) : b, tb ? [N, K] : [K, N])
          close(tf.matMul(x, y, ta, tb).dataSync(), wanted)
        }
      })
    }

    it('in batches, broadcast and transposed', async () => {
      for (const [a, b, ta, tb] of [
        [[3, 4, 5], [3, 5, 6], false, false],
        [[3, 4, 5], [1, 5, 6], false, false],
        [[1, 4, 5], [3, 6, 5], false, true],
        [[2, 3, 5, 4], [2, 3, 5, 6], true, false],
        [[2, 3, 8, 4], [4, 6], false, false],
      ] as [number[], number[], boolean, boolean][]) {
        const run = () => tf.matMul(make(a, 5), make(b, 6), ta, tb).dataSync()
        close(run(), await onCpu(run))
      }
    })

    it('in batches that both broadcast', () => {
      // the cpu engine gives too few here: against each product alone
      const [a, b] = [make([2, 1, 5, 4], 5) as tf.Tensor4D, make([1, 3, 6, 5], 6) as tf.Tensor4D]
      const got = tf.matMul(a, b, true, true).dataSync()
      for (let i = 0; i < 6; i++) {
        const [x, y] = [
          tf.slice(a, [Math.floor(i / 3), 0, 0, 0], [1, 1, 5, 4]),
          tf.slice(b, [0, i % 3, 0, 0], [1, 1, 6, 5]),
        ]
        const one = tf.matMul(tf.reshape(x, [5, 4]), tf.reshape(y, [6, 5]), true, true).dataSync()
        close(got.subarray(i * 24, (i + 1) * 24), one, 0)
      }
    })

    it('with bias and activation', async () => {
      const fused = tf.fused
      for (const activation of ['linear', 'relu', 'sigmoid', 'elu'] as const) {
        const run = () =>
          fused
            .matMul({
              a: make([9, 20]) as tf.Tensor2D,
              b: make([20, 35], 2) as tf.Tensor2D,
              bias: make([35], 3),
              activation,
            })
            .dataSync()
        close(run(), await onCpu(run))
      }
    })
  })
})
