import { attention, differentiate, type Tensor4D, tidy, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { expect, it } from 'vitest'
import { native, nativeMemory } from './provider.ts'

// Budget: one minute. Forward and backward at 12 heads of 64: blocks of memory grow with the length, not with its square.
it('attention holds memory linear in its length (leak)', { timeout: 300_000 }, async () => {
  await useBackend(native({ threads: 2 }))
  const peaks: number[] = []
  for (const T of [2048, 4096, 8192, 16_384]) {
    const input = () => tf.randomUniform([1, T, 12, 64], -1, 1, 'float32', 3) as Tensor4D
    const [q, k, v, d] = [input(), input(), input(), input()]
    const before = nativeMemory()
    tidy(() => {
      differentiate(() => attention(q!, k!, v!, { causal: true }), [q!, k!, v!], [d!])
      const { live, idle } = nativeMemory()
      peaks.push(live + idle)
    })
    tf.dispose([q, k, v, d])
    expect(nativeMemory().live).toBeLessThan(before.live)
  }
  // q, k, v and the gradients and results: about ten arrays of the input's size; the scores alone would be 12 T^2 floats
  const array = 16_384 * 768 * 4
  expect(peaks[3]!).toBeLessThan(16 * array)
  expect(peaks[3]! / peaks[2]!).toBeLessThan(2.3)
  expect(process.resourceUsage().maxRSS * 1024).toBeLessThan(24 * array)
  console.log(`blocks at the end: ${peaks.map((b) => `${Math.round(b / 2 ** 20)} MiB`).join(', ')}`)
  console.log(`resident at most: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`)
})
