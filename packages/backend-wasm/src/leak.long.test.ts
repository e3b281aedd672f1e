// Budget: two minutes. Ten thousand training steps leave live bytes, the engine's memory and the process flat.
import {
  dispose,
  linear,
  mean,
  runUpdate,
  square,
  type Tensor,
  tidy,
  useBackend,
  valueAndGradsOf,
} from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { WasmEngine } from './engine/backend.ts'
import { memoryOf } from './engine/start.ts'
import { wasm } from './index.ts'

test('10,000 steps', { timeout: 240_000 }, async () => {
  await useBackend(wasm({ threads: 2 }))
  const engine = tf.backend() as WasmEngine
  expect(engine).toBeInstanceOf(WasmEngine)
  const weights = [tf.randomNormal([64, 48]), tf.randomNormal([32, 64])]
  const zeros = () => weights.map((w) => tf.zerosLike(w))
  const moments = { exp_avg: zeros(), exp_avg_sq: zeros() }
  const step = (n: number) =>
    tidy(() => {
      const x = tf.randomNormal([20, 48])
      const loss = () =>
        mean(square(linear(linear(x, weights[0]!, undefined, 'gelu') as Tensor, weights[1]!))) as tf.Scalar
      const { value, grads } = valueAndGradsOf(loss, weights)
      const attrs = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, step: n }
      runUpdate('AdamW', { param: weights, grad: grads as Tensor[], ...moments }, attrs)
      dispose(grads as never)
      return value.dataSync()[0]!
    })
  const state = () => ({
    tensors: tf.memory().numTensors,
    bytes: tf.memory().numBytes,
    data: engine.numDataIds(),
    heap: memoryOf(engine.engine).buffer.byteLength,
  })
  const first = step(1)
  for (let n = 2; n <= 500; n++) step(n)
  globalThis.gc?.()
  const before = state()
  const resident = process.memoryUsage().rss
  let last = first
  for (let n = 501; n <= 10_500; n++) last = step(n)
  globalThis.gc?.()
  expect(last).toBeLessThan(first)
  expect(state()).toEqual(before)
  expect(process.memoryUsage().rss - resident).toBeLessThan(48 * 2 ** 20)
})
