import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm'

/** The engine's Emscripten module, as far as it is used here. */
export interface EngineModule {
  HEAPU8: Uint8Array
  asm: { memory?: WebAssembly.Memory }
  wasmMemory?: WebAssembly.Memory
  _malloc(bytes: number): number
  _free(address: number): void
  cwrap(name: string, returns: 'number' | null, takes: 'number'[]): (...args: number[]) => number
  tfjs: object
}

export type EngineKind = 'simd' | 'threaded'
export type EngineFactory = (config: object) => Promise<EngineModule>

/** A thread of the kernels' own pool. */
export interface PoolWorker {
  terminate(): void
}

/** What differs between Node and a browser. */
export interface Host {
  BackendWasm: typeof BackendWasm
  factory(kind: EngineKind): EngineFactory
  /** The engine's binary; `folder` where the user keeps it (a URL or a path). */
  binary(kind: EngineKind, folder: string | undefined): Promise<Uint8Array>
  cores(): number
  /** Why threads cannot be had here, or undefined. */
  whyNoThreads(): string | undefined
  /** Starts a worker that runs `source` with `data` as its first message; resolves at its first answer. */
  startWorker(source: string, data: object): Promise<PoolWorker>
  /** Turns the instructions on where they are behind a flag (V8 before 11.4). */
  enableRelaxedSimd(): void
}
