import { adopt, linear, runUpdate, type Tensor2D, tidy, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { close, numbers } from './__fixtures__/plain.ts'
import type { NativeBackend } from './backend.ts'
import { native } from './provider.ts'

// A product reads the weight that is there, however it came there: nothing about a weight may be remembered from one
// product to the next.
const [M, O, I] = [24, 40, 64]
const x = numbers(M * I, 1)

beforeAll(async () => {
  await useBackend(native({ threads: 2, poison: true }))
})

function expectProduct(weight: tf.Tensor2D, values: Float32Array): void {
  const got = tidy(() => linear(tf.tensor2d(x, [M, I]), weight as Tensor2D).dataSync())
  const wanted = new Float64Array(M * O)
  for (let m = 0; m < M; m++)
    for (let o = 0; o < O; o++) for (let i = 0; i < I; i++) wanted[m * O + o]! += x[m * I + i]! * values[o * I + i]!
  close(got, wanted)
}

describe('a product after', () => {
  it('steps of an optimizer in place', () => {
    const param = tf.tensor2d(numbers(O * I, 2), [O, I])
    const values = numbers(O * I, 2)
    expectProduct(param, values)
    for (let step = 0; step < 3; step++) {
      const grad = numbers(O * I, 3 + step)
      const before = tf.backend().readSync(param.dataId).slice(0) as Float32Array
      const g = tf.tensor2d(grad, [O, I])
      expect(runUpdate('SGD', { param: [param], grad: [g] }, { lr: 0.5 })).toBe(true)
      g.dispose()
      for (let i = 0; i < values.length; i++) values[i] = before[i]! - 0.5 * grad[i]!
      expectProduct(param, values)
    }
    param.dispose()
  })

  it('a variable was assigned', () => {
    const weight = tf.variable(tf.tensor2d(numbers(O * I, 2), [O, I]))
    expectProduct(weight, numbers(O * I, 2))
    weight.assign(tf.tensor2d(numbers(O * I, 3), [O, I]))
    expectProduct(weight, numbers(O * I, 3))
    weight.dispose()
  })

  it("an adopted array's owner wrote into it", () => {
    const own = numbers(O * I, 2)
    const weight = adopt(own, [O, I]) as tf.Tensor2D
    expectProduct(weight, own)
    own.set(numbers(O * I, 3))
    expectProduct(weight, numbers(O * I, 3))
    weight.dispose()
  })

  it('another weight took its place in memory', () => {
    const backend = tf.backend() as NativeBackend
    const first = tf.tensor2d(numbers(O * I, 2), [O, I])
    const { buffer } = backend.floats(first)
    expectProduct(first, numbers(O * I, 2))
    first.dispose()
    const second = tf.tensor2d(numbers(O * I, 3), [O, I])
    expect(backend.floats(second).buffer).toBe(buffer)
    expectProduct(second, numbers(O * I, 3))
    second.dispose()
  })
})
