// tfjs' own kernels that this backend replaces or adds, against tfjs' JavaScript engine, forward and gradient.
import { cpu, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { wasm } from '../index.ts'
import { random, relativeError, toTensor } from '../testing/checks.ts'

type Run = (...x: tf.Tensor[]) => tf.Tensor | tf.Tensor[]

beforeAll(async () => {
  await useBackend(wasm({ threads: 2 }))
})

async function results(backend: string, run: Run, shapes: number[][], gradient: boolean) {
  await tf.setBackend(backend)
  const before = tf.engine().backend.numDataIds()
  const values = tf.tidy(() => {
    const inputs = shapes.map((shape, i) => toTensor(random(shape, 20 + i)))
    const outputs = [run(...inputs)].flat()
    const all = outputs.map((y) => ({ shape: y.shape, values: y.dataSync().slice() }))
    if (gradient) {
      const f = (...x: tf.Tensor[]) =>
        [run(...x)]
          .flat()
          .reduce(
            (sum, y, i) => tf.add(sum, tf.sum(tf.mul(y, toTensor(random(y.shape, 70 + i))))),
            tf.scalar(0) as tf.Tensor,
          )
      for (const g of tf.grads(f as never)(inputs)) all.push({ shape: g.shape, values: g.dataSync().slice() })
    }
    return all
  })
  expect(tf.engine().backend.numDataIds()).toBe(before)
  return values
}

function same(name: string, run: Run, shapes: number[][], { gradient = true } = {}): void {
  test(name, async () => {
    const wanted = await results('cpu', run, shapes, gradient)
    const got = await results('wasm', run, shapes, gradient)
    got.forEach((result, i) => {
      expect(result.shape).toEqual(wanted[i]!.shape)
      expect(relativeError(result.values as Float32Array, wanted[i]!.values as Float32Array)).toBeLessThan(2e-5)
    })
  })
}

describe('convolutions', () => {
  for (const [x, filter, strides, pad, dilations] of [
    [[2, 5, 7, 3], [3, 2, 3, 4], [1, 1], 'same', 1],
    [[1, 6, 6, 1], [2, 2, 1, 5], [2, 2], 'valid', 1],
    [[3, 9, 8, 2], [3, 3, 2, 3], [2, 1], 'same', 1],
    [[2, 9, 9, 5], [1, 1, 5, 7], [1, 1], 'valid', 1],
    [[2, 8, 8, 3], [4, 4, 3, 16], [4, 4], 'valid', 1],
  ] as const) {
    const conv: Run = (a, b) =>
      tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, strides as [number, number], pad, 'NHWC', dilations)
    same(`conv2d [${x}] * [${filter}], strides ${strides}, ${pad}`, conv, [[...x], [...filter]])
  }
  same(
    'conv2d, dilated',
    (a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same', 'NHWC', [2, 3]),
    [
      [2, 9, 9, 2],
      [3, 3, 2, 3],
    ],
    { gradient: false },
  )
  same('depthwise', (a, b) => tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same'), [
    [2, 6, 5, 3],
    [3, 3, 3, 2],
  ])
  same('conv3d', (a, b) => tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, 1, 'same'), [
    [2, 4, 5, 4, 2],
    [2, 3, 2, 2, 3],
  ])
  same('max pooling of a batch', (a) => tf.maxPool(a as tf.Tensor4D, 2, 2, 'same'), [[3, 5, 6, 2]])
})

describe('moves', () => {
  same('split in parts of any size', (x) => tf.split(x, [1, 3, 2], 1), [[3, 6, 5]])
  same('split along the first and the last axis', (x) => [...tf.split(x, 2, 0), ...tf.split(x, 3, 2)], [[4, 5, 6]])
  same('concat', (a, b) => [tf.concat([a, b], 1), tf.concat([a, b, a], -2)], [
    [3, 2, 5],
    [3, 4, 5],
  ])
  same(
    'slices of every rank',
    (a, b, c, d, e) => [
      tf.slice(a!, [2], [3]),
      tf.slice(b!, [1, 2], [2, 3]),
      tf.slice(b!, [1, 0], [2, 6]),
      tf.slice(c!, [1, 0, 2], [1, 3, 2]),
      tf.slice(d!, [0, 1, 1, 1], [2, 2, 1, 3]),
      tf.slice(e!, [1, 0, 1, 0, 2], [1, 2, 1, 2, 1]),
      tf.slice(d!, [0, 1, 0, 0], [2, 1, 3, 4]),
    ],
    [[7], [4, 6], [3, 3, 5], [2, 3, 3, 4], [2, 2, 3, 2, 4]],
  )
  for (const perm of [
    [1, 0],
    [0, 2, 1],
    [2, 0, 1],
    [0, 2, 1, 3],
    [3, 1, 2, 0],
    [1, 3, 0, 2],
    [4, 2, 0, 3, 1],
    [5, 0, 3, 1, 2, 4],
  ]) {
    same(`transpose ${perm}`, (x) => tf.transpose(x, perm), [[37, 9, 5, 4, 3, 2].slice(0, perm.length)])
  }
  same('unstack', (x) => [...tf.unstack(x!, 1), ...tf.unstack(x!, 2), ...tf.unstack(x!, 0)], [[3, 4, 5]])
  same('tile', (x) => [tf.tile(x!, [2, 1, 3]), tf.tile(x!, [1, 1, 1]), tf.tile(x!, [1, 4, 1])], [[3, 4, 5]])
  same('reverse', (x) => [tf.reverse(x!, 0), tf.reverse(x!, [1, 2]), tf.reverse(x!, 2)], [[3, 4, 35]])
  same('a large transpose', (x) => tf.transpose(x, [0, 2, 1]), [[3, 130, 70]])

  test('moves of int32', async () => {
    const run = () => {
      const x = tf.range(0, 24, 1, 'int32').reshape([2, 3, 4])
      const all = [
        tf.transpose(x, [2, 0, 1]),
        tf.slice(x, [0, 1, 1], [2, 1, 2]),
        tf.concat([x, x], 1),
        ...tf.split(x, 2, 2),
      ]
      return all.map((y) => [y.dtype, y.shape, Array.from(y.dataSync())])
    }
    await tf.setBackend('cpu')
    const wanted = tf.tidy(run)
    await tf.setBackend('wasm')
    expect(tf.tidy(run)).toEqual(wanted)
  })

  test('rows appended in place share the room, which lives as long as they do', async () => {
    await tf.setBackend('wasm')
    const before = tf.engine().backend.numDataIds()
    const append = (room: tf.Tensor, x: tf.Tensor, length: number) =>
      tf.engine().runKernel('FilatureAppendRows', { room, x }, { length }) as unknown as tf.Tensor
    const room = tf.zeros([1, 5, 2])
    const one = append(room, tf.tensor3d([1, 2], [1, 1, 2]), 0)
    const three = append(room, tf.tensor3d([3, 4, 5, 6], [1, 2, 2]), 1)
    room.dispose()
    expect(Array.from(one.dataSync())).toEqual([1, 2])
    expect(Array.from(three.dataSync())).toEqual([1, 2, 3, 4, 5, 6])
    expect(tf.tidy(() => Array.from(tf.add(tf.neg(three), 1).dataSync()))).toEqual([0, -1, -2, -3, -4, -5])
    expect(() => append(three, tf.ones([1, 1, 2]), 3)).toThrow(/do not fit a room of 3/)
    const again = tf.clone(three)
    tf.dispose([one, three])
    expect(Array.from(again.dataSync())).toEqual([1, 2, 3, 4, 5, 6])
    again.dispose()
    tf.disposeVariables()
    // the rows that were appended
    expect(tf.engine().backend.numDataIds() - before).toBe(3)
  })

  test('segment sums of int32', async () => {
    await tf.setBackend('wasm')
    tf.tidy(() => {
      const sums = tf.unsortedSegmentSum(tf.tensor1d([1, 20, 300], 'int32'), tf.tensor1d([1, 0, 1], 'int32'), 2)
      expect(Array.from(sums.dataSync())).toEqual([20, 301])
    })
  })

  test('a clone outlives its original', async () => {
    await tf.setBackend('wasm')
    const x = tf.tensor1d([1, 2, 3])
    const y = tf.clone(x)
    x.dispose()
    expect(Array.from(y.dataSync())).toEqual([1, 2, 3])
    y.dispose()
  })
})

describe('elementwise', () => {
  for (const [a, b] of [
    [[33], [33]],
    [
      [4, 1, 6],
      [5, 1],
    ],
    [[3, 4, 5], [5]],
    [
      [2, 1, 3, 1],
      [1, 4, 1, 5],
    ],
    [[1], [1]],
    [[70, 900], []],
  ] as const) {
    same(
      `maximum and minimum of [${a}] and [${b}]`,
      (x, y) => [tf.maximum(x!, y!), tf.minimum(x!, y!)],
      [[...a], [...b]],
      { gradient: String(a) === String(b) },
    )
  }
  const chosen = (shape: number[]) => tf.greater(toTensor(random(shape, 9)), 0)
  same('where', (x, y) => tf.where(chosen([5, 7]), x!, y!), [
    [5, 7],
    [5, 7],
  ])
  same('where, one condition for a row', (x, y) => tf.where(chosen([5, 1]), x!, y!), [
    [5, 7],
    [5, 7],
  ])
  same(
    'gather along every axis',
    (x) => {
      const ids = tf.tensor2d([1, 0, 2, 2], [2, 2], 'int32')
      return [0, 1, 2].map((axis) => tf.gather(x!, ids, axis))
    },
    [[3, 4, 19]],
  )
  same('gather with batch axes', (x) => tf.gather(x!, tf.tensor2d([1, 0, 2, 2], [2, 2], 'int32'), 1, 1), [[2, 4, 3]], {
    gradient: false,
  })
  test('gather refuses an index outside, and keeps nothing', async () => {
    await tf.setBackend('wasm')
    const before = tf.engine().backend.numDataIds()
    tf.tidy(() => {
      for (const id of [-1, 4]) {
        expect(() => tf.gather(tf.ones([4, 3]), tf.tensor1d([0, id], 'int32'))).toThrow(
          `index ${id} at 1 is outside 0..3`,
        )
      }
    })
    expect(tf.engine().backend.numDataIds()).toBe(before)
  })
  test('log and sqrt over their range', async () => {
    await tf.setBackend('wasm')
    const values = [0, 1e-45, 1e-39, 1e-20, 0.5, 0.9999, 1, 1.0001, 2, 10, 1e10, 3e38]
    const x = tf.tensor1d(values)
    const rounded = x.dataSync()
    const [log, root] = [tf.log(x), tf.sqrt(x)].map((t) => t.dataSync())
    values.forEach((_, i) => {
      const wanted = Math.log(rounded[i]!)
      if (wanted === Number.NEGATIVE_INFINITY) expect(log![i]).toBe(wanted)
      else expect(Math.abs(log![i]! - wanted)).toBeLessThanOrEqual(1.5e-7 * Math.abs(wanted) + 1e-11)
      expect(root![i]).toBe(Math.fround(Math.sqrt(rounded[i]!)))
    })
    expect(Array.from(tf.log(tf.tensor1d([-1, Number.NaN, Number.POSITIVE_INFINITY])).dataSync())).toEqual([
      Number.NaN,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ])
    tf.disposeVariables()
  })
})

describe('reductions', () => {
  for (const axes of [[0], [1], [2], [3], [0, 1], [2, 3], [1, 2], [0, 2], [1, 3], [0, 1, 2, 3]]) {
    same(`sum and mean over ${axes}`, (x) => [tf.sum(x, axes), tf.mean(x, axes, true)], [[5, 7, 3, 18]])
  }
  same('a long sum', (x) => tf.sum(x), [[300_001]], { gradient: false })
  same('softmax', (x) => tf.softmax(x), [[4, 5, 33]])
  same(
    'sum of bool and int32',
    () => [tf.sum(tf.tensor1d([true, false, true], 'bool')), tf.sum(tf.tensor1d([3, 4], 'int32'))],
    [],
    { gradient: false },
  )
})

describe('what the engine lacks', () => {
  same('gather', (x) => tf.gather(x, tf.tensor1d([1, 1, 4], 'int32')), [[5, 3]])
  same(
    'einsum',
    (a, b) => tf.einsum('bij,bjk->bik', a, b),
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
    { gradient: false },
  )
  test('every kernel of the JavaScript engine but those on complex numbers', async () => {
    const { report } = await useBackend(wasm({ threads: 2 }))
    expect(report.missingKernels.sort()).toEqual(['Complex', 'ComplexAbs', 'Draw', 'FFT', 'IFFT', 'Imag', 'Real'])
    await useBackend(cpu())
  })
})
