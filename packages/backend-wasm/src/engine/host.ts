// What the engine needs from a browser: its two factories, its binaries by URL, threads as workers.
/// <reference path="./tfjs-glue.d.ts" />
import { BackendWasm } from '@tensorflow/tfjs-backend-wasm'
import simdFactory from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js'
import threadedFactory from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js'
import type { Host } from './host-types.ts'

const BINARIES = {
  simd: () => new URL('./tfjs-backend-wasm-simd.wasm', import.meta.url),
  threaded: () => new URL('./tfjs-backend-wasm-threaded-simd.wasm', import.meta.url),
}
const NAMES = { simd: 'tfjs-backend-wasm-simd.wasm', threaded: 'tfjs-backend-wasm-threaded-simd.wasm' }

export const host: Host = {
  BackendWasm,

  factory: (kind) => (kind === 'threaded' ? threadedFactory : simdFactory),

  async binary(kind, folder) {
    const url =
      folder === undefined ? BINARIES[kind]() : new URL(NAMES[kind], withSlash(new URL(folder, location.href)))
    const response = await fetch(url, { credentials: 'same-origin' })
    if (!response.ok) throw new Error(`${url} answers ${response.status}`)
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (bytes[0] !== 0 || bytes[1] !== 0x61) throw new Error(`${url} is not a WebAssembly file`)
    return bytes
  },

  cores: () => navigator.hardwareConcurrency || 1,

  whyNoThreads() {
    if (typeof SharedArrayBuffer === 'undefined' || !globalThis.crossOriginIsolated) {
      return 'the page is not cross-origin isolated (serve it with COOP: same-origin and COEP: require-corp)'
    }
    return typeof Worker === 'undefined' ? 'there are no workers here' : undefined
  },

  startWorker(source, data) {
    return new Promise((resolve, reject) => {
      const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
      const worker = new Worker(url)
      worker.onmessage = () => {
        URL.revokeObjectURL(url)
        resolve({ terminate: () => worker.terminate() })
      }
      worker.onerror = (event) => reject(new Error(event.message || 'a worker could not start'))
      worker.postMessage(data)
    })
  },

  enableRelaxedSimd: () => {},
}

function withSlash(url: URL): URL {
  return url.href.endsWith('/') ? url : new URL(`${url.href}/`)
}
