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
