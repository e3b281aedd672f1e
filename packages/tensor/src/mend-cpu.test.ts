import { expect, test } from 'vitest'
import * as tf from '#tfjs'
import { engine } from './engine.ts'
import { mendCpu } from './mend-cpu.ts'

test('a scatter update leaves its input as it was', async () => {
  await tf.setBackend('cpu')
  mendCpu()
  const before = engine.backend.numDataIds()
  tf.tidy(() => {
    const x = tf.tensor1d([1, 2, 3])
    const y = tf.tensorScatterUpdate(x, tf.tensor2d([[1]], [1, 1], 'int32'), tf.tensor1d([9]))
    expect(Array.from(y.dataSync())).toEqual([1, 9, 3])
    expect(Array.from(x.dataSync())).toEqual([1, 2, 3])
  })
  expect(engine.backend.numDataIds()).toBe(before)
})

test('sums of segments are right, and take time by their rows, not by rows times segments', async () => {
  await tf.setBackend('cpu')
  mendCpu()
  const x = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [4, 2])
  const sums = tf.unsortedSegmentSum(x, tf.tensor1d([2, 0, 2, -1], 'int32'), 3)
  expect(sums.shape).toEqual([3, 2])
  expect(Array.from(sums.dataSync())).toEqual([3, 4, 0, 0, 6, 8])
  const whole = tf.tensor2d([1, 2, 3, 4], [2, 2], 'int32')
  expect(Array.from(tf.unsortedSegmentSum(whole, tf.tensor1d([1, 1], 'int32'), 2).dataSync())).toEqual([0, 0, 4, 6])
  // each of 30,000 rows into a segment of its own, held against all into one: going through all rows once for each
  // segment would take 30,000 times as long, one way through them a few times, on any machine
  const many = 30_000
  const rows = tf.ones([many, 4])
  const leastTime = (ids: tf.Tensor1D, count: number) =>
    Math.min(
      ...Array.from({ length: 3 }, () => {
        const start = performance.now()
        tf.unsortedSegmentSum(rows, ids, count).dispose()
        return performance.now() - start
      }),
    )
  const [own, one] = [tf.range(0, many, 1, 'int32') as tf.Tensor1D, tf.zeros([many], 'int32') as tf.Tensor1D]
  expect(
    tf
      .equal(tf.unsortedSegmentSum(rows, own, many), 1)
      .all()
      .dataSync()[0],
  ).toBe(1)
  expect(leastTime(own, many) / leastTime(one, 1)).toBeLessThan(300)
})
