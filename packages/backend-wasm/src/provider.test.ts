import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { MemoryError, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import type { WasmEngine } from './engine/backend.ts'
import { wasm } from './index.ts'

const run = promisify(execFile)

/** A process of its own that runs `body` (a module) with `wasm` and the tensor package in scope; `TMPDIR` is its own, too. */
async function process(body: string, temporary = tmpdir()): Promise<string> {
  const here = fileURLToPath(new URL('./index.ts', import.meta.url))
  const source = `
    import * as t from '@filature/tensor'
    import * as tf from '@tensorflow/tfjs-core'
    import { wasm } from ${JSON.stringify(here)}
    ${body}`
  const flags = ['--conditions=@filature/source', '--import', 'tsx', '--input-type=module', '-e', source]
  const { stdout } = await run(execPath, flags, {
    timeout: 60_000,
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...env, FORCE_COLOR: '0', TMPDIR: temporary, TMP: temporary, TEMP: temporary },
  })
  return stdout.trim()
}

describe('the provider', () => {
  beforeAll(async () => {
    await useBackend(wasm({ threads: 2 }))
  })

  test('reports what it is', async () => {
    const { name, report } = await useBackend(wasm({ threads: 2 }))
    expect(name).toBe('wasm')
    expect(report).toMatchObject({ device: 'WebAssembly', threads: 2, memoryLimit: 2 ** 32 })
    expect(report.features).toContain('simd128')
    expect(report.selfTest.failed).toEqual([])
  })

  test('is brought up once, and says so when it is asked for otherwise', async () => {
    await useBackend(wasm({ threads: 2 }))
    await expect(useBackend(wasm({ threads: 1 }))).rejects.toThrow(/up already, with other options \(2 threads\)/)
    expect(tf.getBackend()).toBe('wasm')
  })

  test('refuses thread counts that are none', () => {
    for (const threads of [0, -1, 1.5, 65, Number.NaN]) expect(() => wasm({ threads })).toThrow(/threads must be/)
  })

  test('a tensor that cannot fit is an error that says what would, and nothing is lost', () => {
    const engine = tf.backend() as WasmEngine
    const before = { tensors: tf.memory().numTensors, data: engine.numDataIds() }
    for (const elements of [1.07e9, 2 ** 30, 1.5e9]) {
      expect(() => engine.empty([elements])).toThrow(MemoryError)
      expect(() => engine.empty([elements])).toThrow(/largest that fits beside what is live is \d+ MiB/)
    }
    expect({ tensors: tf.memory().numTensors, data: engine.numDataIds() }).toEqual(before)
    expect(Array.from(tf.tidy(() => tf.add(tf.ones([4]), 1)).dataSync())).toEqual([2, 2, 2, 2])
  })
})

describe('a process', () => {
  test('ends by itself with threads up, leaves no file, and keeps its error events', async () => {
    // a folder for temporary files of its own: what other processes leave in the system's is not its doing
    const temporary = mkdtempSync(join(tmpdir(), 'filature-temporary-'))
    try {
      const printed = await process(
        `
        const { report } = await t.useBackend(wasm({ threads: 3 }))
        const big = tf.ones([300, 300])
        console.log(report.threads, tf.matMul(big, big).dataSync()[7], process.listenerCount('uncaughtException'),
          process.listenerCount('unhandledRejection'), typeof Worker)`,
        temporary,
      )
      expect(printed).toBe('3 300 0 0 undefined')
      expect(readdirSync(temporary).filter((name) => !name.startsWith('tsx-'))).toEqual([])
    } finally {
      rmSync(temporary, { recursive: true })
    }
  })

  test('dispose ends the threads', async () => {
    const printed = await process(`
      await t.useBackend(wasm({ threads: 2 }))
      tf.removeBackend('wasm')
      await t.useBackend(wasm({ threads: 1 }))
      console.log(tf.ones([2]).dataSync().join())`)
    expect(printed).toBe('1,1')
  })

  test('wasmPath names the folder, and a wrong one is named', async () => {
    const printed = await process(`
      const { createRequire } = await import('node:module')
      const { dirname } = await import('node:path')
      const folder = dirname(createRequire(${JSON.stringify(import.meta.filename)}).resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm'))
      await t.useBackend(wasm({ threads: 1, wasmPath: '/nowhere' })).catch((e) => console.log(/no such file|ENOENT/.test(e.message), /wasmPath/.test(e.message)))
      console.log((await t.useBackend(wasm({ threads: 1, wasmPath: folder }))).name)`)
    expect(printed).toBe('true true\nwasm')
  })

  test('relaxed SIMD where it is asked for', async () => {
    const printed = await process(`
      const { report } = await t.useBackend(wasm({ threads: 1, relaxedSimd: true }))
      console.log(report.features.includes('relaxed-simd'))`)
    expect(printed).toBe('true')
  })
})
