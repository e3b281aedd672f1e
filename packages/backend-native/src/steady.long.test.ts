import { differentiate, layerNorm, linear, runUpdate, softmaxCrossEntropy, tidy, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { expect, it } from 'vitest'
import { native, nativeMemory } from './provider.ts'

// Budget: two minutes. Ten thousand training steps of a small network: tensors, live bytes and resident memory stay flat.
it('ten thousand training steps leave memory as it was (leak)', { timeout: 600_000 }, async () => {
  await useBackend(native({ threads: 2 }))
  const random = (shape: number[]) => tf.randomUniform(shape, -0.1, 0.1, 'float32', 7)
  const parameters: tf.Tensor[] = [random([96, 64]), random([96]), random([96]), random([96]), random([33, 96])]
  const states = parameters.map((p) => [tf.zerosLike(p), tf.zerosLike(p)] as const)
  const step = (t: number) =>
    tidy(() => {
      // batches of many sizes: blocks of many sizes come and go
      const B = 1 + ((t * 7919) % 61)
      const x = tf.randomUniform([B, 64], -1, 1)
      const labels = tf.tensor1d(
        Array.from({ length: B }, (_, i) => (i + t) % 33),
        'int32',
      )
      const [w1, b1, gain, shift, w2] = parameters as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
      const { grads } = differentiate(
        () => tf.mean(softmaxCrossEntropy(linear(layerNorm(linear(x, w1, b1, 'gelu'), gain, shift), w2), labels)),
        parameters,
      )
      const [exp_avg, exp_avg_sq] = [0, 1].map((slot) => states.map((state) => state[slot]!))
      const inputs = { param: parameters, grad: grads as tf.Tensor[], exp_avg: exp_avg!, exp_avg_sq: exp_avg_sq! }
      const attrs = { lr: 1e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.01, step: t }
      expect(runUpdate('AdamW', inputs, attrs)).toBe(true)
    })
  for (let t = 1; t <= 2000; t++) step(t)
  const before = {
    tensors: tf.memory().numTensors,
    live: nativeMemory().live,
    idle: nativeMemory().idle,
    rss: process.memoryUsage().rss,
  }
  for (let t = 2001; t <= 10_000; t++) step(t)
  const { live, idle } = nativeMemory()
  expect(tf.memory().numTensors).toBe(before.tensors)
  expect(live).toBe(before.live)
  expect(idle).toBeLessThanOrEqual(before.idle * 1.1 + (1 << 20))
  expect(process.memoryUsage().rss).toBeLessThan(before.rss + (48 << 20))
})
