import { beforeAll, expect, it } from 'vitest'
import * as tf from '#tfjs'
import { cpu, differentiate, type Scalar, type Tensor, tensor, tidy, useBackend } from './index.ts'

interface Storage {
  write(values: unknown, shape: number[], dtype: string): object
  disposeData(id: object, force?: boolean): boolean
}

/** The greatest number of bytes that the cpu engine holds at once while `fn` runs, beyond those before. */
function peakOf(fn: () => void): number {
  const backend = tf.backend() as unknown as Storage
  const { write, disposeData } = backend
  const sizes = new Map<object, number>()
  let live = 0
  let peak = 0
  backend.write = function (values, shape, dtype) {
    const id = write.call(this, values, shape, dtype)
    const bytes = 4 * shape.reduce((size, d) => size * d, 1)
    sizes.set(id, bytes)
    live += bytes
    peak = Math.max(peak, live)
    return id
  }
  backend.disposeData = function (id, force) {
    const gone = disposeData.call(this, id, force)
    if (gone) {
      live -= sizes.get(id) ?? 0
      sizes.delete(id)
    }
    return gone
  }
  try {
    fn()
  } finally {
    Object.assign(backend, { write, disposeData })
  }
  return peak
}

beforeAll(async () => {
  await useBackend(cpu())
})

it('holds half of what tfjs holds on the way back', () => {
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
  const run = (fn: () => void) => peakOf(() => tidy(fn))
  const ours = run(() => void differentiate(chain, weights))
  const theirs = run(() => void tf.variableGrads(chain, weights))
  // both hold the forward pass and the twelve results; tfjs keeps every activation's gradient too
  expect(ours).toBeLessThan(0.65 * theirs)
  for (const w of weights) w.dispose()
})
