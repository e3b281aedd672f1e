import { BackendError, MemoryError } from '@filature/tensor'
import { host } from '#host'
import type { EngineKind, EngineModule } from './host-types.ts'

/** Bytes that WebAssembly's 32-bit addresses reach. */
export const ADDRESSABLE = 2 ** 32
const MIB = 2 ** 20

/**
 * tfjs' engine as a module with its memory.
 * `threaded`: the build on shared memory; its own thread pool is left at one thread (that pool spins while it waits and
 * would fight with ours), so the eight workers that it wants to have ready are never started.
 */
export async function startEngine(kind: EngineKind, folder: string | undefined): Promise<EngineModule> {
  const wasmBinary = await host.binary(kind, folder).catch((cause: Error) => {
    throw new BackendError(
      'wasm-binary',
      `wasm: the engine's binary could not be read: ${cause.message}; copy the .wasm files of ` +
        '@tensorflow/tfjs-backend-wasm/dist where the page can fetch them and give that folder as wasmPath.',
      { cause },
    )
  })
  const shared =
    kind === 'threaded' ? new WebAssembly.Memory({ initial: 256, maximum: ADDRESSABLE / 65536, shared: true }) : null
  const factory = host.factory(kind)
  const module = await withoutSideEffects(kind, () =>
    factory({
      wasmBinary,
      mainScriptUrlOrBlob: '',
      locateFile: (path: string) => path,
      ...(shared ? { wasmMemory: shared } : {}),
    }),
  )
  const { cwrap } = module
  module.tfjs = {
    init: cwrap('init', null, []),
    initWithThreadsCount: () => cwrap('init_with_threads_count', null, ['number'])(1),
    getThreadsCount: cwrap('get_threads_count', 'number', []),
    registerTensor: cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: cwrap('dispose_data', null, ['number']),
    dispose: cwrap('dispose', null, []),
  }
  if (shared) module.wasmMemory = shared
  guardAllocation(module)
  return module
}

export function memoryOf(module: EngineModule): WebAssembly.Memory {
  const memory = module.wasmMemory ?? module.asm.memory
  if (!memory) throw new BackendError('wasm-memory', 'wasm: the engine exports no memory; install tfjs 4.22.0 exactly.')
  return memory
}

/** The engine's allocator answers 0 when memory is full, and tfjs writes there: an error instead. */
function guardAllocation(module: EngineModule): void {
  // the glue's functions put the real ones in their own place when they are first called
  module._free(module._malloc(1))
  const { _malloc: allocate, _free: free } = module
  const attempt = (bytes: number) => {
    // from 2 GiB on the allocator takes the size for negative and does not see that it runs over the end
    const heap = memoryOf(module).buffer.byteLength
    return bytes < ADDRESSABLE / 2 || heap + bytes + MIB < ADDRESSABLE ? allocate(bytes) : 0
  }
  module._malloc = (bytes) => {
    const address = attempt(bytes)
    if (address !== 0) return address
    let fits = 0
    for (let step = ADDRESSABLE / 2; step >= MIB; step /= 2) {
      const probe = attempt(fits + step)
      if (probe !== 0) {
        fits += step
        free(probe)
      }
    }
    throw new MemoryError(
      'wasm-memory',
      `wasm: wanted ${(bytes / MIB).toFixed(1)} MiB in one tensor, the largest that fits beside what is live is ` +
        `${(fits / MIB).toFixed(0)} MiB (WebAssembly addresses 4096 MiB); use a smaller batch or context, ` +
        'checkpointed(), packed weights, or the native backend.',
    )
  }
}

type ProcessEvents = {
  listeners(event: string): ((...args: never[]) => void)[]
  removeListener(event: string, listener: (...args: never[]) => void): void
}

/** Emscripten's glue takes over the process's error events and starts its workers: neither is wanted. */
async function withoutSideEffects<T>(kind: EngineKind, start: () => Promise<T>): Promise<T> {
  const events = (globalThis as unknown as { process?: ProcessEvents }).process
  const names = ['uncaughtException', 'unhandledRejection']
  const before = names.map((name) => new Set(events?.listeners?.(name)))
  const workers = Object.getOwnPropertyDescriptor(globalThis, 'Worker')
  const restore = () => {
    if (kind === 'threaded') {
      if (workers) Object.defineProperty(globalThis, 'Worker', workers)
      else delete (globalThis as { Worker?: unknown }).Worker
    } else if (!workers) delete (globalThis as { Worker?: unknown }).Worker
    names.forEach((name, i) => {
      for (const listener of events?.listeners?.(name) ?? []) {
        if (!before[i]!.has(listener)) events!.removeListener(name, listener)
      }
    })
  }
  if (kind === 'threaded') {
    Object.defineProperty(globalThis, 'Worker', { configurable: true, get: () => IdleWorker, set: () => {} })
  }
  let started: Promise<T>
  try {
    started = start()
  } finally {
    restore()
  }
  return started
}

/** Stands in for a worker of the engine's pool: says that it is ready, and is never given work. */
class IdleWorker {
  onmessage?: (event: { data: object }) => void

  postMessage(message: { cmd: string }): void {
    if (message.cmd === 'load') queueMicrotask(() => this.onmessage?.({ data: { cmd: 'loaded' } }))
    else if (message.cmd === 'run') throw new Error('wasm: the engine asked for a thread of its own')
  }

  on(): void {}
  unref(): void {}
  ref(): void {}
  terminate(): void {}
}
