import { host } from '#host'
import type { EngineModule, PoolWorker } from '../engine/host-types.ts'
import { memoryOf } from '../engine/start.ts'
import { type Exports, instantiate, type KernelBinary, STACK_BYTES } from './instantiate.ts'

/** Bytes that a kernel may use per thread, beside its inputs and outputs. */
const SCRATCH_BYTES = 1 << 20
const MAX_THREADS = 64
const PARAMETER_BYTES = 1024
/** Rounds that a worker looks for the next fork before it sleeps (about 10 microseconds). */
const SPIN = 2000

// the fields of Context in kernels/base.h
const THREADS = 0
const SCRATCH_SIZE = 1
const SCRATCH = 2
const SPIN_AT = 2 + MAX_THREADS + 5

const asFloat = new Float32Array(1)
const asWord = new Int32Array(asFloat.buffer)

/** The word that holds a float. */
export function float(x: number): number {
  asFloat[0] = x
  return asWord[0]!
}

/**
 * The kernels, on the engine's memory and on threads of their own. Addresses are bytes, unsigned below 4 GiB.
 * `run.<kernel>(context, ...)`: all take the context first.
 */
export class KernelModule {
  readonly run: Exports
  readonly context: number
  /** Address of a block for a kernel's parameters, when they are many; see `write`. */
  readonly parameters: number
  readonly threads: number
  readonly relaxed: boolean
  readonly #engine: EngineModule
  readonly #memory: WebAssembly.Memory
  readonly #blocks: number[] = []
  #workers: PoolWorker[] = []

  private constructor(engine: EngineModule, binary: KernelBinary, threads: number) {
    this.#engine = engine
    this.#memory = memoryOf(engine)
    this.threads = threads
    this.relaxed = binary.relaxed
    this.run = instantiate(binary.module, this.#memory, this.#allocate(STACK_BYTES))
    const bytes = this.run.context_bytes!()
    this.context = this.#allocate(bytes)
    this.parameters = this.#allocate(PARAMETER_BYTES)
    const scratch = Array.from({ length: threads }, () => this.#allocate(SCRATCH_BYTES))
    const fields = new Int32Array(this.#memory.buffer, this.context, bytes / 4).fill(0)
    fields[THREADS] = threads
    fields[SCRATCH_SIZE] = SCRATCH_BYTES
    scratch.forEach((address, thread) => {
      fields[SCRATCH + thread] = address
    })
    fields[SPIN_AT] = SPIN
  }

  static async start(engine: EngineModule, binary: KernelBinary, threads: number): Promise<KernelModule> {
    const kernels = new KernelModule(engine, binary, threads)
    const { context } = kernels
    kernels.#workers = await Promise.all(
      Array.from({ length: threads - 1 }, (_, i) =>
        host.startWorker(WORKER, {
          module: binary.module,
          memory: kernels.#memory,
          context,
          thread: i + 1,
          stackEnd: (kernels.#allocate(STACK_BYTES) + STACK_BYTES) & ~15,
        }),
      ),
    )
    return kernels
  }

  /** A block on the engine's memory, 64-byte aligned, until `stop`. */
  #allocate(bytes: number): number {
    const block = this.#engine._malloc(bytes + 64) >>> 0
    this.#blocks.push(block)
    return (block + 63) & ~63
  }

  /** Writes 32-bit words into the block of parameters and returns its address; see `float` for floats. */
  write(words: readonly number[]): number {
    new Int32Array(this.#memory.buffer, this.parameters, words.length).set(words)
    return this.parameters
  }

  stop(): void {
    if (this.threads > 1) this.run.pool_stop!(this.context)
    for (const worker of this.#workers) worker.terminate()
    this.#workers = []
  }
}

// a worker says that it is there, then waits for forks until the pool stops
const WORKER = `
const node = typeof process === 'object' && typeof require === 'function' && require('node:worker_threads').parentPort
const start = ({ module, memory, context, thread, stackEnd }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  exports.__stack_pointer.value = stackEnd
  ;(node || self).postMessage('ready')
  exports.pool_worker(context, thread)
}
if (node) node.once('message', start)
else self.onmessage = (event) => start(event.data)
`
