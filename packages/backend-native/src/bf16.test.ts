import { differentiate, linear, tidy, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, describe, expect, it } from 'vitest'
import { loadAddon } from './addon.ts'
import { bf16Products, native } from './provider.ts'

const addon = loadAddon()
const numbers = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898 + seed * 78.233))

/** To the nearest bfloat16, ties to even. */
function rounded(x: Float32Array): Float32Array {
  const bits = new Uint32Array(x.buffer.slice(0))
  for (let i = 0; i < bits.length; i++) bits[i] = ((bits[i]! + 0x7fff + ((bits[i]! >>> 16) & 1)) & 0xffff0000) >>> 0
  return new Float32Array(bits.buffer)
}

afterAll(() => void addon.bf16Pairs(-1))

// The processor's instruction where it has one, and rounding before float32 products.
const ways = addon
  .isas()
  .split(' ')
  .flatMap((set) => [[set, 0] as const, ...(set === 'avx512' ? [[set, 1] as const] : [])])
describe.each(ways)('%s, pairs %i', (instructionSet, pairs) => {
  it('multiplies rounded operands and sums in float32', async ({ skip }) => {
    await useBackend(native({ instructionSet, threads: 2 }))
    const taken = addon.bf16Pairs(pairs)
    skip(pairs === 1 && !taken, 'this processor has no instruction for pairs')
    expect(taken).toBe(pairs === 1)
    for (const [M, N, K] of [
      [17, 1, 1],
      [20, 33, 7],
      [100, 70, 129],
      [31, 3100, 40],
      [40, 20, 1301],
    ] as const) {
      for (const [ta, tb] of [
        [false, false],
        [false, true],
        [true, true],
      ] as const) {
        const [a, b] = [numbers(M * K, 1), numbers(K * N, 2)]
        const [x, y] = [rounded(a), rounded(b)]
        const got = bf16Products(() =>
          tf.matMul(tf.tensor2d(a, ta ? [K, M] : [M, K]), tf.tensor2d(b, tb ? [N, K] : [K, N]), ta, tb),
        ).dataSync()
        for (let m = 0; m < M; m++) {
          for (let n = 0; n < N; n++) {
            let sum = 0
            for (let k = 0; k < K; k++) sum += x[ta ? k * M + m : m * K + k]! * y[tb ? n * K + k : k * N + n]!
            if (!(Math.abs(got[m * N + n]! - sum) < 1e-4 * Math.max(1, Math.abs(sum) / 100)))
              throw new Error(`(${m}, ${n}): ${got[m * N + n]} instead of ${sum}`)
          }
        }
      }
    }
    const nan = bf16Products(() => tf.matMul(tf.fill([20, 4], Number.NaN), tf.ones([4, 20]))).dataSync()
    expect(nan[0]).toBeNaN()
  })
})

it('learns as float32 does: the loss curves side by side', async () => {
  async function curve(products: 'float32' | 'bf16') {
    await useBackend(native({ threads: 2 }))
    const scope = products === 'bf16' ? bf16Products : <T>(fn: () => T) => fn()
    const x = tf.tensor2d(numbers(128 * 24, 3), [128, 24])
    const target = tf.tidy(() => tf.tanh(tf.matMul(x, tf.tensor2d(numbers(24 * 5, 4), [24, 5]))))
    let weights: tf.Tensor[] = [tf.tensor2d(numbers(48 * 24, 5), [48, 24]), tf.tensor2d(numbers(5 * 48, 6), [5, 48])]
    weights = weights.map((w) => tf.mul(w, 0.2))
    const losses: number[] = []
    for (let i = 0; i < 150; i++) {
      const next = tidy(() => {
        const { value, grads } = scope(() =>
          differentiate(() => {
            const y = linear(linear(x, weights[0]!, undefined, 'gelu'), weights[1]!)
            return tf.mean(tf.square(tf.sub(y, target))) as tf.Scalar
          }, weights),
        )
        losses.push(value.dataSync()[0]!)
        return weights.map((w, k) => tf.sub(w, tf.mul(grads[k]!, 0.2)))
      })
      tf.dispose(weights)
      weights = next
    }
    return losses
  }
  const [full, half] = [await curve('float32'), await curve('bf16')]
  expect(half).not.toEqual(full)
  expect(full[149]).toBeLessThan(0.2 * full[0]!)
  for (let i = 0; i < 150; i += 10) expect(Math.abs(half[i]! / full[i]! - 1)).toBeLessThan(0.15)
})

it('is a synchronous scope that ends with its function', async () => {
  await useBackend(native({ threads: 2 }))
  expect(bf16Products(() => addon.bf16())).toBe(true)
  expect(addon.bf16()).toBe(false)
  expect(() => bf16Products(() => Promise.resolve())).toThrow(/synchronous/)
  expect(() =>
    bf16Products(() => {
      throw new Error('inside')
    }),
  ).toThrow('inside')
  expect(addon.bf16()).toBe(false)
})
