import { adopt, liveMemory, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadAddon } from './addon.ts'
import { NativeBackend } from './backend.ts'
import { blockSize, Memory } from './memory.ts'
import { native, nativeMemory } from './provider.ts'

beforeAll(async () => {
  await useBackend(native({ poison: true, threads: 2 }))
})

const values = (x: tf.Tensor) => Array.from(x.dataSync())
/** Work that takes and gives blocks, so that one handed back too early is written over. */
const churn = (n: number) => {
  for (let i = 0; i < 8; i++) tf.mul(tf.fill([n], 7), 2).dispose()
}

describe('blocks', () => {
  it('hold what is asked, with at most a quarter to spare', () => {
    for (let bytes = 4; bytes < 1 << 27; bytes = Math.ceil(bytes * 1.37)) {
      const size = blockSize(bytes)
      expect(size).toBeGreaterThanOrEqual(bytes)
      expect(size).toBeLessThanOrEqual(Math.max(bytes * 1.25, bytes + 64))
      expect(blockSize(size)).toBe(size)
    }
  })

  it('lie at multiples of 64 and are used again', () => {
    const memory = new Memory(loadAddon())
    const first = memory.floats(1000)
    memory.retain(first)
    memory.forget(first)
    expect(memory.floats(1000)).toBe(first)
    memory.retain(first)
    expect(memory.floats(1000).buffer).not.toBe(first.buffer)
    memory.forget(first)
    expect(memory.ints(990).buffer).toBe(first.buffer)
  })

  it('are given back to the system beyond what is worth keeping', () => {
    const memory = new Memory(loadAddon())
    const big = Array.from({ length: 8 }, () => memory.floats(8 << 20)) // 32 MiB each
    for (const block of big) memory.retain(block)
    for (const block of big) memory.forget(block)
    const idleAfterPeak = memory.usage.idle
    expect(idleAfterPeak).toBe(8 * (32 << 20))
    // the peak is forgotten in time
    for (let i = 0; i < 20_000; i++) {
      const small = memory.floats(16)
      memory.retain(small)
      memory.forget(small)
    }
    expect(memory.usage.idle).toBeLessThan(idleAfterPeak / 2)
    expect(memory.usage.live).toBe(0)
    memory.trim(0)
    expect(memory.usage.idle).toBe(0)
  })

  it('are asked for again once idle ones were given back, then the error says what was wanted', () => {
    const addon = loadAddon()
    let room = 2 << 20
    const small = {
      ...addon,
      allocate: (bytes: number) => {
        if (bytes > room) throw new Error('none left')
        room -= bytes
        return addon.allocate(bytes)
      },
      release: (buffer: ArrayBuffer) => {
        room += buffer.byteLength
        addon.release(buffer)
      },
    }
    const memory = new Memory(small)
    const first = memory.floats(1 << 18)
    memory.retain(first)
    memory.forget(first)
    const second = memory.floats(7 << 16) // fits only in place of the first
    memory.retain(second)
    expect(memory.usage).toEqual({ live: 7 << 18, idle: 0 })
    expect(() => memory.floats(1 << 18)).toThrow(
      expect.objectContaining({
        code: 'native-memory',
        message: expect.stringMatching(/wanted 1\.0 MiB for one tensor, .* beside the 2 MiB that tensors use/),
      }),
    )
    expect(memory.usage).toEqual({ live: 7 << 18, idle: 0 })
    memory.forget(second)
    expect(memory.floats(1 << 18).length).toBe(1 << 18)
  })

  it('are taken by several tensor data and go back with the last', () => {
    const memory = new Memory(loadAddon(), { poison: true })
    const block = memory.floats(8)
    block.fill(3)
    memory.retain(block)
    memory.retain(block.subarray(2, 4))
    memory.forget(block)
    expect(block[2]).toBe(3)
    memory.forget(block.subarray(2, 4))
    expect(block[2]).toBeNaN()
  })
})

describe("what is the user's stays the user's", () => {
  it('copies arrays on the way in', () => {
    const mine = new Float32Array([1, 2, 3, 4, 5])
    const x = tf.tensor1d(mine)
    mine[0] = 99
    expect(values(x)).toEqual([1, 2, 3, 4, 5])
    x.dispose()
    churn(5)
    expect(Array.from(mine)).toEqual([99, 2, 3, 4, 5])
  })

  it('copies arrays on the way out', async () => {
    const x = tf.mul(tf.tensor1d([1, 2, 3]), 1)
    const [now, later] = [x.dataSync(), await x.data()]
    x.dispose()
    churn(3)
    expect(Array.from(now)).toEqual([1, 2, 3])
    expect(Array.from(later)).toEqual([1, 2, 3])
  })

  it('takes tensors of another engine over', async () => {
    await tf.setBackend('cpu')
    const x = tf.tensor2d([1, 2, 3, 4], [2, 2])
    await tf.setBackend('native')
    const y = tf.matMul(x, x)
    churn(4)
    expect(values(y)).toEqual([7, 10, 15, 22])
  })
})

describe('results outlive their inputs', () => {
  const input = () => tf.mul(tf.reshape(tf.range(1, 17), [4, 4]), 1)
  const cases: Record<string, (x: tf.Tensor2D) => tf.Tensor | tf.Tensor[]> = {
    slice: (x) => tf.slice(x, [0], [2]),
    'slice of all': (x) => tf.slice(x, [0, 0], [4, 4]),
    'slice of columns': (x) => tf.slice(x, [1, 1], [3, 2]),
    split: (x) => tf.split(x, 2),
    'split of columns': (x) => tf.split(x, [1, 3], 1),
    unstack: (x) => tf.unstack(x),
    'unstack of columns': (x) => tf.unstack(x, 1),
    stridedSlice: (x) => tf.stridedSlice(x, [0, 0], [2, 4], [1, 1]),
    'stridedSlice of all': (x) => tf.stridedSlice(x, [0, 0], [4, 4], [1, 1]),
    'stridedSlice backwards': (x) => tf.stridedSlice(x, [3, 3], [0, 0], [-1, -2]),
    tensorScatterUpdate: (x) => tf.tensorScatterUpdate(x, tf.tensor2d([[1]], [1, 1], 'int32'), tf.ones([1, 4])),
    reshape: (x) => tf.reshape(x, [-1]),
    clone: (x) => tf.clone(x),
    cast: (x) => tf.cast(x, 'float32'),
    'concat of one': (x) => tf.concat([x], 0),
    'tile by one': (x) => tf.tile(x, [1, 1]),
    'pad by none': (x) =>
      tf.pad(x, [
        [0, 0],
        [0, 0],
      ]),
    'transpose to itself': (x) => tf.transpose(x, [0, 1]),
    broadcastTo: (x) => tf.broadcastTo(x, [4, 4]),
    'sum over nothing': (x) => tf.sum(x, []),
    topk: (x) => Object.values(tf.topk(x, 4)),
    relu: (x) => tf.relu(x),
    reverse: (x) => tf.reverse(x, []),
    gather: (x) => tf.gather(x, tf.tensor1d([3, 0], 'int32')),
  }
  for (const [name, fn] of Object.entries(cases)) {
    it(name, async () => {
      const x = input()
      const made = fn(x as tf.Tensor2D)
      const results = Array.isArray(made) ? made : [made]
      const before = results.map(values)
      x.dispose()
      churn(16)
      churn(8)
      churn(4)
      expect(results.map(values)).toEqual(before)
      // and they are what the cpu engine gives
      await tf.setBackend('cpu')
      const wanted = fn(tf.reshape(tf.range(1, 17), [4, 4]) as tf.Tensor2D)
      const reference = (Array.isArray(wanted) ? wanted : [wanted]).map(values)
      await tf.setBackend('native')
      expect(before).toEqual(reference)
    })
  }

  it('leaves the input of tensorScatterUpdate alone', () => {
    const x = input()
    tf.tensorScatterUpdate(x, tf.tensor2d([[0]], [1, 1], 'int32'), tf.ones([1, 4]))
    expect(values(x)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1))
  })
})

it('refuses to be poisoned or cleaned while it is up', async () => {
  const { live } = nativeMemory()
  await expect(useBackend(native({ poison: false, threads: 1 }))).rejects.toThrow(/up already, with poison/)
  expect(loadAddon().threads()).toBe(2)
  expect(nativeMemory().live).toBe(live)
})

it('gives every block back', () => {
  const before = nativeMemory().live
  tf.tidy(() => {
    let x: tf.Tensor = tf.reshape(tf.sin(tf.range(0, 4096)), [64, 64])
    for (let i = 0; i < 10; i++) x = tf.tanh(tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D))
    tf.split(x, 4).map((part) => tf.transpose(part))
  })
  expect(nativeMemory().live).toBe(before)
  expect(tf.backend()).toBeInstanceOf(NativeBackend)
})

it('adopts an array as a tensor without a copy, and leaves it alone afterwards', () => {
  const before = liveMemory()
  const own = Float32Array.from({ length: 6000 }, (_, i) => i)
  const x = adopt(own, [60, 100])
  expect(liveMemory()).toEqual({ tensors: before.tensors + 1, bytes: before.bytes + 24_000 })
  own[7] = -7
  expect(tf.tidy(() => values(tf.neg(x))).slice(6, 8)).toEqual([-6, 7])
  const last = tf.tidy(() => values(tf.neg(adopt(own, [6000]))).at(-1)!)
  expect(last).toBe(-5999)
  x.dispose()
  expect(liveMemory()).toEqual(before)
  churn(6000) // with poison: a block given back is written over
  expect(own[7]).toBe(-7)
  expect(own.at(-1)).toBe(5999)
})
