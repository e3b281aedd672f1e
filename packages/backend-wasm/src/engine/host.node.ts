// What the engine needs from Node: its two factories, its binaries from disk, threads as worker_threads.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import tfjsWasm from '@tensorflow/tfjs-backend-wasm'
import type { EngineFactory, Host } from './host-types.ts'

const require = createRequire(import.meta.url)
const PACKAGE = '@tensorflow/tfjs-backend-wasm'
const FILES = { simd: 'tfjs-backend-wasm-simd.wasm', threaded: 'tfjs-backend-wasm-threaded-simd.wasm' }
const FACTORIES = { simd: 'tfjs-backend-wasm.js', threaded: 'tfjs-backend-wasm-threaded-simd.js' }

export const host: Host = {
  BackendWasm: tfjsWasm.BackendWasm,

  factory: (kind) => require(`${PACKAGE}/wasm-out/${FACTORIES[kind]}`) as EngineFactory,

  async binary(kind, folder) {
    if (folder === undefined) return readFile(require.resolve(`${PACKAGE}/wasm-out/${FILES[kind]}`))
    const path = folder.startsWith('file:') ? fileURLToPath(folder) : folder
    return readFile(join(path, FILES[kind]))
  },

  cores: () => availableParallelism(),

  whyNoThreads: () => undefined,

  startWorker(source, data) {
    return new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true, execArgv: [] })
      worker.once('message', () => {
        worker.unref() // the process may end while its threads wait
        resolve({ terminate: () => void worker.terminate() })
      })
      worker.once('error', reject)
      worker.postMessage(data)
    })
  },

  enableRelaxedSimd: () => setFlagsFromString('--experimental-wasm-relaxed-simd'),
}
