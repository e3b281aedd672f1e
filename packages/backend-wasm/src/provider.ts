import { type BackendDevice, BackendError, type BackendProvider, ConfigError } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { host } from '#host'
import { WasmEngine } from './engine/backend.ts'
import { ADDRESSABLE, startEngine } from './engine/start.ts'
import { registerKernels } from './kernels/register.ts'
import { loadBinary } from './module/instantiate.ts'
import { KernelModule } from './module/kernel-module.ts'

export interface WasmOptions {
  /** Threads of the kernels, the calling one among them; default: the cores, at most 8, where threads can be had. */
  threads?: number
  /** Folder (URL, or path in Node) of tfjs' .wasm files; default: where the bundler put them, or the installed package. */
  wasmPath?: string
  /**
   * Relaxed SIMD (fused multiply-add: faster, rounded once): default where the runtime has it; `true` turns it on behind
   * V8's flag too (Node 20) and throws where it does not exist; `false` keeps bits equal across runtimes.
   */
  relaxedSimd?: boolean
}

const MAX_DEFAULT_THREADS = 8
const MAX_THREADS = 64

let up: { options: string; device: BackendDevice } | undefined

/** The WebAssembly backend: tfjs' engine on SIMD128, with kernels and threads of our own. */
export function wasm(options: WasmOptions = {}): BackendProvider {
  const { threads } = options
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS)) {
    throw new ConfigError('wasm-threads', `wasm: threads must be a whole number from 1 to 64; got ${threads}.`)
  }
  return {
    name: 'wasm',

    async available() {
      if (typeof WebAssembly !== 'object') return 'this runtime has no WebAssembly'
      const why = threads !== undefined && threads > 1 ? host.whyNoThreads() : undefined
      return why ? `${threads} threads are asked for, but ${why}` : true
    },

    async activate() {
      const key = JSON.stringify([threads ?? null, options.wasmPath ?? null, options.relaxedSimd ?? null])
      if (up && tf.findBackend('wasm') instanceof WasmEngine) {
        if (up.options === key) return up.device
        throw new BackendError(
          'wasm-already-up',
          `wasm: it is up already, with other options (${up.device.threads} threads); one process has one wasm backend.`,
        )
      }
      const { backend, device } = await bringUp(options)
      if (tf.findBackendFactory('wasm')) tf.removeBackend('wasm')
      tf.registerBackend('wasm', () => backend, 3)
      registerKernels()
      up = { options: key, device }
      return device
    },
  }
}

async function bringUp(options: WasmOptions): Promise<{ backend: WasmEngine; device: BackendDevice }> {
  const threads = options.threads ?? (host.whyNoThreads() ? 1 : Math.min(host.cores(), MAX_DEFAULT_THREADS))
  const kind = threads > 1 ? 'threaded' : 'simd'
  const binary = await loadBinary(options.relaxedSimd, kind === 'threaded')
  const engine = await startEngine(kind, options.wasmPath)
  const kernels = await KernelModule.start(engine, binary, threads)
  const features = ['simd128', ...(binary.relaxed ? ['relaxed-simd'] : []), ...(threads > 1 ? ['threads'] : [])]
  const device = { device: 'WebAssembly', threads, features, memoryLimit: ADDRESSABLE }
  return { backend: new WasmEngine(engine, kernels), device }
}
