import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadAddon } from './addon.ts'
import { type NativeOptions, native } from './provider.ts'

// A worker of the addon alone, as fast to start as can be.
const code = `
const { workerData, parentPort } = require('node:worker_threads')
const addon = require('node:module').createRequire(workerData.root)('node-gyp-build')(workerData.root)
addon.threads(2)
const n = 192
const a = new Float32Array(addon.allocate(4 * n * n)).fill(1), c = new Float32Array(addon.allocate(4 * n * n))
parentPort.postMessage('up')
for (let i = 0; workerData.rounds < 0 || i < workerData.rounds; i++) addon.gemm(n, n, n, n, 1, n, 1, n, false, 0, a, a, c, null, null)
parentPort.postMessage(c[n * n - 1])
`
const root = fileURLToPath(new URL('..', import.meta.url))

function start(rounds: number): { worker: Worker; messages: unknown[]; until: (n: number) => Promise<void> } {
  const worker = new Worker(code, { eval: true, workerData: { rounds, root } })
  const messages: unknown[] = []
  let failed: unknown
  worker.on('message', (message) => messages.push(message))
  worker.on('error', (error) => {
    failed = error
  })
  return {
    worker,
    messages,
    until: async (n) => {
      while (messages.length < n) {
        if (failed) throw failed
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
  }
}

beforeAll(async () => {
  await useBackend(native({ threads: 2 }))
})

const product = () => {
  const x = tf.ones([300, 300]) as tf.Tensor2D
  const y = tf.matMul(x, x)
  const value = y.dataSync()[0]
  tf.dispose([x, y])
  return value
}

describe('threads of JavaScript', () => {
  it('share the addon', async () => {
    const both = [start(200), start(200)]
    for (let i = 0; i < 50; i++) expect(product()).toBe(300)
    for (const { until, messages } of both) {
      await until(2)
      expect(messages).toEqual(['up', 192])
    }
    await Promise.all(both.map(({ worker }) => worker.terminate()))
    expect(product()).toBe(300)
  })

  it('may be ended in the middle of a product', async () => {
    for (let i = 0; i < 5; i++) {
      const { worker, until } = start(-1)
      await until(1)
      for (let k = 0; k < 10; k++) expect(product()).toBe(300)
      await worker.terminate()
      expect(product()).toBe(300)
    }
  })

  it('have limits of their own', () => {
    const addon = loadAddon()
    expect(addon.threads(1)).toBe(1)
    expect(product()).toBe(300)
    expect(addon.threads(2)).toBe(2)
    expect(addon.threads()).toBe(2)
  })
})

describe('the number of threads', () => {
  it('is what the user sets, or the cores', async () => {
    const threadsOf = async (options: NativeOptions) => (await useBackend(native(options))).report.threads
    expect(await threadsOf({ threads: 1 })).toBe(1)
    expect(await threadsOf({ threads: 3 })).toBe(3)
    expect(await threadsOf({})).toBe(loadAddon().cores())
    expect(await threadsOf({ threads: 2 })).toBe(2)
    expect(loadAddon().threads()).toBe(2)
  })

  it.skipIf(process.platform !== 'linux')(
    "is of the system's too: workers are made once, one fewer than the limit",
    () => {
      const addon = loadAddon()
      const running = () => readdirSync('/proc/self/task').length
      addon.threads(7)
      const before = running()
      addon.threads(9)
      expect(running()).toBe(before + 2)
      addon.threads(2)
      addon.threads(9)
      expect(running()).toBe(before + 2)
      addon.threads(2)
    },
  )

  it('changes no bit of a result', async () => {
    const run = () => {
      const x = tf.tensor(
        Float32Array.from({ length: 90_000 }, (_, i) => Math.sin(i)),
        [300, 300],
      ) as tf.Tensor2D
      const out = tf.tidy(() => [
        tf.matMul(x, x, true),
        tf.matMul(x, x, false, true),
        tf.sum(x, 0),
        tf.mean(x),
        tf.softmax(x),
        tf.unsortedSegmentSum(
          x,
          tf.tensor1d(
            Array.from({ length: 300 }, (_, i) => i % 7),
            'int32',
          ),
          7,
        ),
      ])
      return out.flatMap((t) => Array.from(t.dataSync()))
    }
    const addon = loadAddon()
    addon.threads(1)
    const one = run()
    for (const n of [2, 3, 5]) {
      addon.threads(n)
      expect(run()).toEqual(one)
    }
    addon.threads(2)
  })
})
