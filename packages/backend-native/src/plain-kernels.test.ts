import { useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadAddon } from './addon.ts'
import { native } from './provider.ts'

const sets = () => {
  try {
    return loadAddon().isas().split(' ')
  } catch {
    return []
  }
}

/** The same numbers at every call: an LCG, from -1 to 1. */
function numbers(n: number, seed = 1): Float32Array {
  let s = seed >>> 0
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return s / 2 ** 31 - 1
  })
}
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
const make = (shape: number[], seed = 1) => tf.tensor(numbers(sizeOf(shape), seed), shape)

function close(got: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = 1e-5): void {
  expect(got.length).toBe(wanted.length)
  let scale = 0.1
  for (let i = 0; i < wanted.length; i++) if (Number.isFinite(wanted[i])) scale = Math.max(scale, Math.abs(wanted[i]!))
  for (let i = 0; i < wanted.length; i++) {
    if (Object.is(got[i], wanted[i]) || got[i] === wanted[i] || (Number.isNaN(got[i]) && Number.isNaN(wanted[i])))
      continue
    if (!(Math.abs(got[i]! - wanted[i]!) <= tolerance * scale)) {
      throw new Error(`at ${i}: ${got[i]} instead of ${wanted[i]}`)
    }
  }
}

/** Runs `fn` on the cpu engine. */
async function onCpu<T>(fn: () => T): Promise<T> {
  await tf.setBackend('cpu')
  try {
    return fn()
  } finally {
    await tf.setBackend('native')
  }
}

describe.each(sets())('%s', (instructionSet) => {
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
