import { BackendError, DeviceLostError, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { afterEach, describe, expect, test } from 'vitest'
import { CheckedBackend } from './device.ts'
import { webgpu } from './index.ts'
import { whyNoWebGPU } from './testing/adapter.ts'

const reason = await whyNoWebGPU()

test('says why it is not to be had, or that it is', async () => {
  const answer = await webgpu().available()
  if (reason) expect(answer).toMatch(/adapter|webgpu/)
  else expect(answer).toBe(true)
})

describe.skipIf(reason)('the provider', () => {
  afterEach(async () => {
    await tf.setBackend('webgpu')
  })

  test('reports the device and a passed self-test', async () => {
    const { report } = await useBackend(webgpu())
    expect(report.device.length).toBeGreaterThan(0)
    expect(report.selfTest.failed).toEqual([])
    expect(tf.backend()).toBeInstanceOf(CheckedBackend)
  })

  test('a synchronous read is an error that says what to do', () => {
    const x = tf.tidy(() => tf.add(tf.ones([5000]), 1))
    expect(() => x.dataSync()).toThrow(/await tensor.data\(\)/)
    x.dispose()
  })

  test('training steps leave no tensor and no buffer behind', async () => {
    const w = tf.tidy(() => tf.reshape(tf.sin(tf.range(0, 256)), [16, 16]))
    const step = async () => {
      const { value, grads } = tf.tidy(() => {
        const { value, grads } = tf.valueAndGrads(
          (v: tf.Tensor) => tf.mean(tf.square(tf.matMul(v as tf.Tensor2D, v as tf.Tensor2D))) as tf.Scalar,
        )([w])
        return { value, grads }
      })
      const [loss] = await value.data()
      tf.dispose([value, grads])
      return loss
    }
    for (let i = 0; i < 5; i++) await step()
    const before = tf.memory() as tf.MemoryInfo & { numBytesInGPU: number }
    for (let i = 0; i < 50; i++) await step()
    const after = tf.memory() as typeof before
    expect([after.numTensors, after.numBytesInGPU]).toEqual([before.numTensors, before.numBytesInGPU])
    w.dispose()
  })
})

// last: each of these spoils the device
describe.skipIf(reason)('a device that fails', () => {
  const again = async () => {
    tf.removeBackend('webgpu')
    await useBackend(webgpu())
    return tf.backend() as CheckedBackend
  }

  test('an error on the device reaches the next read', async () => {
    const backend = await again()
    const x = tf.tidy(() => tf.add(tf.ones([3]), 1))
    // a buffer beyond every limit: WebGPU answers with an invalid one and an event
    backend.device.createBuffer({ size: 2 ** 46, usage: GPUBufferUsage.STORAGE })
    await expect(x.data()).rejects.toThrow(BackendError)
  })

  test('a lost device is a DeviceLostError, at the next read and at the next write', async () => {
    const backend = await again()
    const x = tf.tidy(() => tf.add(tf.ones([3]), 1))
    backend.device.destroy()
    await expect(x.data()).rejects.toThrow(DeviceLostError)
    expect(() => tf.ones([2])).toThrow(/the device was lost/)
  })
})
