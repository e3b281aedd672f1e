import { peakBytes } from '@filature/testing'
import { beforeAll, expect, it } from 'vitest'
import * as tf from '#tfjs'
import { cpu, differentiate, type Scalar, type Tensor, tensor, tidy, useBackend } from './index.ts'

beforeAll(async () => {
  await useBackend(cpu())
})

it('holds less than half of what tfjs holds on the way back', () => {
  const layers = 12
  const x = tensor(new Float32Array(64 * 64).fill(0.1), [64, 64])
  const weights = Array.from({ length: layers }, () => tf.variable(tf.fill([64, 64], 0.02)))
  const chain = () => {
    let h: Tensor = x
    for (const w of weights) {
      const before = h
      h = tf.tidy(() => tf.relu(tf.matMul(before as tf.Tensor2D, w as tf.Tensor2D, false, true)))
    }
    return tf.sum(h) as Scalar
  }
  const run = (fn: () => void) => peakBytes(() => tidy(fn))
  const ours = run(() => void differentiate(chain, weights))
  const theirs = run(() => void tf.variableGrads(chain, weights))
  // 0.43: both hold the forward pass and the twelve results; tfjs keeps every gradient of an activation too
  expect(ours).toBeLessThan(0.5 * theirs)
  for (const w of weights) w.dispose()
})
