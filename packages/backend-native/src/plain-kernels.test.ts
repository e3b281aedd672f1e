import { useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { close, make, numbers, onCpu, sets } from './__fixtures__/plain.ts'
import { native } from './provider.ts'

describe.each(sets())('%s', (instructionSet) => {
  beforeAll(async () => {
    await useBackend(native({ instructionSet, threads: 2, poison: true }))
  })

  describe('elementwise', () => {
    const shapes: [number[], number[]][] = [
      [[7], [7]],
      [[1], [33]],
      [[40000], [40000]],
      [[4, 5, 6], [6]],
      [
        [4, 5, 6],
        [5, 1],
      ],
      [
        [4, 1, 6],
        [1, 5, 1],
      ],
      [
        [2, 3, 4, 5],
        [1, 3, 1, 5],
      ],
      [
        [5, 1],
        [1, 9],
      ],
      [
        [2, 2, 2, 2, 2, 3],
        [2, 1, 2, 1, 2, 1],
      ],
      [[0, 4], [4]],
      [[200, 300], [300]],
      [
        [300, 200],
        [300, 1],
      ],
    ]
    const { add, sub, mul, div, maximum, minimum, squaredDifference } = tf
    const operators = { add, sub, mul, div, maximum, minimum, squaredDifference }
    for (const [name, operator] of Object.entries(operators)) {
      it(`${name} with every kind of broadcasting`, async () => {
        for (const [a, b] of shapes) {
          const run = () => operator(make(a, 7), make(b, 8)).dataSync()
          close(run(), await onCpu(run), 1e-6)
        }
      })
    }

    const functions: Record<string, [(x: tf.Tensor) => tf.Tensor, (x: number) => number, number?]> = {
      neg: [tf.neg, (x) => -x],
      abs: [tf.abs, Math.abs],
      square: [tf.square, (x) => x * x],
      sqrt: [tf.sqrt, Math.sqrt],
      rsqrt: [tf.rsqrt, (x) => 1 / Math.sqrt(x)],
      reciprocal: [tf.reciprocal, (x) => 1 / x],
      exp: [tf.exp, Math.exp],
      expm1: [tf.expm1, Math.expm1],
      log: [tf.log, Math.log],
      log1p: [tf.log1p, Math.log1p],
      tanh: [tf.tanh, Math.tanh],
      sigmoid: [tf.sigmoid, (x) => 1 / (1 + Math.exp(-x))],
      relu: [tf.relu, (x) => (Number.isNaN(x) ? x : Math.max(x, 0))],
      step: [(x) => tf.step(x), (x) => (Number.isNaN(x) ? x : x > 0 ? 1 : 0)],
      sign: [tf.sign, (x) => (Number.isNaN(x) ? 0 : Math.sign(x))],
      floor: [tf.floor, Math.floor],
      ceil: [tf.ceil, Math.ceil],
      sin: [tf.sin, Math.sin],
      cos: [tf.cos, Math.cos],
      softplus: [tf.softplus, (x) => (Number.isNaN(x) ? x : Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0))],
    }
    const edges = [
      0,
      -0,
      1,
      -1,
      0.5,
      -0.625,
      0.625,
      3,
      -3,
      20,
      -20,
      87,
      -87,
      88.5,
      -88.5,
      100,
      -100,
      1e-8,
      -1e-8,
      Infinity,
      -Infinity,
      NaN,
    ]
    for (const [name, [op, reference]] of Object.entries(functions)) {
      it(`${name} on numbers, limits, infinities and NaN`, () => {
        const x = Float32Array.from([...edges, ...numbers(200, 9).map((v) => v * 8)])
        const got = op(tf.tensor1d(x)).dataSync()
        x.forEach((v, i) => {
          const wanted = Math.fround(reference(v))
          const tiny = Math.abs(wanted) < 1.2e-38 // subnormal results may be 0
          const error = Math.abs(got[i]! - wanted) / Math.max(Math.abs(wanted), 1e-6)
          if (Object.is(got[i], wanted) || got[i] === wanted || (Number.isNaN(wanted) && Number.isNaN(got[i]!))) return
          if (tiny ? Math.abs(got[i]!) < 1.2e-38 : error < 1e-6) return
          throw new Error(`${name}(${v}): ${got[i]} instead of ${wanted}`)
        })
      })
    }

    it('erf to float32 rounding', () => {
      // Abramowitz and Stegun, table 7.1
      const table = [0, 0.112462916, 0.2227025892, 0.5204998778, 0.8427007929, 0.9661051465, 0.995322265, 0.9999779095]
      const x = [0, 0.1, 0.2, 0.5, 1, 1.5, 2, 3]
      const got = tf.erf(tf.tensor1d([...x, ...x.map((v) => -v)])).dataSync()
      close(got, [...table, ...table.map((v) => -v)], 1.2e-7)
    })

    it('where, cast, fill and like', async () => {
      const mask = () => tf.greater(make([6, 50], 11), 0)
      const run = () => [
        ...tf.where(mask(), make([6, 50]), make([6, 50], 2)).dataSync(),
        ...tf.cast(mask(), 'float32').dataSync(),
        ...tf.cast(tf.tensor1d([1, -2, 3], 'int32'), 'float32').dataSync(),
        ...tf.fill([3], -0.5).dataSync(),
        ...tf.onesLike(make([5])).dataSync(),
        ...tf.zerosLike(make([5])).dataSync(),
      ]
      close(run(), await onCpu(run))
    })
  })

  describe('reductions', () => {
    const { sum, mean, max, min } = tf
    for (const [name, reduction] of Object.entries({ sum, mean, max, min })) {
      it(`${name} over every choice of axes`, async () => {
        for (const shape of [[1], [17], [5, 70], [3, 4, 5], [2, 3, 4, 37], [300, 400], [2, 90, 200]]) {
          for (let axes = 0; axes < 2 ** shape.length; axes++) {
            const chosen = shape.map((_, i) => i).filter((i) => axes & (1 << i))
            for (const keep of [true, false]) {
              const run = () => reduction(make(shape, 13), chosen, keep).dataSync()
              close(run(), await onCpu(run), 1e-4) // the cpu engine adds one by one in float32
            }
          }
        }
      })
    }

    it('max and min give NaN for NaN', () => {
      const x = tf.tensor2d([1, NaN, 3, ...new Array(30).fill(0), 4, 5, 6], [6, 6])
      expect(Array.from(tf.max(x, 1).dataSync())[0]).toBeNaN()
      expect(Array.from(tf.min(x, 0).dataSync())[1]).toBeNaN()
      expect(tf.max(x, 1).dataSync()[5]).toBe(6)
    })

    it('softmax and log-softmax, also far from zero', async () => {
      for (const shape of [
        [1, 1],
        [3, 17],
        [40, 1000],
        [2, 3, 65],
      ]) {
        const run = () => [
          ...tf.softmax(tf.mul(make(shape, 14), 200)).dataSync(),
          ...tf.logSoftmax(tf.mul(make(shape, 14), 200)).dataSync(),
        ]
        close(run(), await onCpu(run), 1e-6)
      }
    })
  })

  describe('moves', () => {
    it('transpose by every order of axes', async () => {
      for (const shape of [
        [5, 7],
        [40, 70],
        [3, 4, 5],
        [2, 33, 3, 17],
        [2, 3, 2, 3, 2],
      ]) {
        const orders = permutations(shape.map((_, i) => i))
        for (const order of orders.slice(0, 30)) {
          const run = () => tf.transpose(make(shape, 15), order).dataSync()
          close(run(), await onCpu(run), 0)
        }
      }
    })

    it('concat, stack, tile, pad, slices of floats and ints', async () => {
      for (const dtype of ['float32', 'int32'] as const) {
        const ints = (shape: number[], seed: number) => tf.cast(tf.mul(make(shape, seed), 1000), dtype)
        const run = () => [
          ...tf.concat([ints([2, 3, 4], 1), ints([2, 5, 4], 2), ints([2, 0, 4], 3)], 1).dataSync(),
          ...tf.concat([ints([2, 3], 1), ints([2, 3], 2)], -1).dataSync(),
          ...tf.stack([ints([2, 3], 1), ints([2, 3], 2)], 1).dataSync(),
          ...tf.tile(ints([2, 3, 4], 4), [3, 1, 2]).dataSync(),
          ...tf.slice(ints([5, 6, 7], 5), [1, 2, 3], [2, 3, 4]).dataSync(),
          ...tf.slice(ints([5, 6, 7], 5), [1, 0, 0], [2, 0, 7]).dataSync(),
        ]
        close(run(), await onCpu(run), 0)
      }
    })

    it('gather and segment sums', async () => {
      const ids = () => tf.tensor2d([4, 0, 2, 2, 1, 4], [2, 3], 'int32')
      const run = () => [
        ...tf.gather(make([5, 40], 16), ids()).dataSync(),
        ...tf.gather(make([3, 5, 7], 17), ids(), 1).dataSync(),
        ...tf.unsortedSegmentSum(make([6, 100], 18), tf.tensor1d([4, 0, 2, 2, 1, 4], 'int32'), 5).dataSync(),
        ...tf.unsortedSegmentSum(make([6], 18), tf.tensor1d([4, 0, -1, 2, 1, 9], 'int32'), 5).dataSync(),
      ]
      close(run(), await onCpu(run))
      expect(() => tf.gather(make([5, 4]), tf.tensor1d([5], 'int32'))).toThrow(/outside 0..4/)
      expect(() => tf.gather(make([5, 4]), tf.tensor1d([-1], 'int32'))).toThrow(/outside 0..4/)
    })

    it('top-k, with ties by index and NaN first', () => {
      const x = tf.tensor2d([3, 1, 3, 2, NaN, 3, 0, 3, 1, 2], [2, 5])
      const { values, indices } = tf.topk(x, 3)
      expect(Array.from(indices.dataSync())).toEqual([4, 0, 2, 0, 2, 4])
      expect(Array.from(values.dataSync())).toEqual([NaN, 3, 3, 3, 3, 2])
      const long = numbers(5000, 19)
      const best = Array.from(long, (v, i) => [v, i] as const).sort((a, b) => b[0] - a[0] || a[1] - b[1])
      const top = tf.topk(tf.tensor1d(long), 50)
      expect(Array.from(top.indices.dataSync())).toEqual(best.slice(0, 50).map(([, i]) => i))
    })
  })
})

function permutations(items: number[]): number[][] {
  if (items.length < 2) return [items]
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]))
}

it('reads whole numbers that were cast from bool', async () => {
  await useBackend(native())
  const mask = () =>
    tf.cast(
      tf.notEqual(
        tf.tensor(
          [
            [3, 0, 5],
            [0, 0, 7],
          ],
          [2, 3],
          'int32',
        ),
        0,
      ),
      'int32',
    )
  const rows = () => tf.tensor([1, 0, 1], [3], 'int32')
  expect([...tf.gather(mask(), rows()).dataSync()]).toEqual([0, 0, 1, 1, 0, 1, 0, 0, 1])
  expect([...tf.gather(tf.tensor([5, 6]), tf.cast(tf.tensor([true, false], [2], 'bool'), 'int32')).dataSync()]).toEqual(
    [6, 5],
  )
  expect([...tf.transpose(mask()).dataSync()]).toEqual([1, 0, 0, 0, 1, 1])
  expect([...tf.concat([mask(), mask()], 1).dataSync()]).toEqual([1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1])
  expect([...tf.slice(mask(), [0, 1], [2, 2]).dataSync()]).toEqual([0, 1, 0, 1])
})
