import { cpus } from 'node:os'
import { BackendError, type BackendProvider, ConfigError, UsageError } from '@filature/tensor'
import { findBackend, findBackendFactory, getBackend, registerBackend } from '@tensorflow/tfjs-core'
import { addonMissing, loadAddon } from './addon.ts'
import { NativeBackend } from './backend.ts'
import { registerKernels } from './register.ts'

const NAME = 'native'

export interface NativeOptions {
  /** Threads of the calling JavaScript thread's kernels; the physical cores this process may use when left out. */
  threads?: number
  /** 'avx512', 'avx2' or 'baseline' instead of the best this machine has: to compare, or to reproduce another's numbers. */
  instructionSet?: string
  /** Fills free memory with NaN, so that reading what was never written shows. For tests: it costs time. */
  poison?: boolean
}

/** Bytes of the backend's blocks: in use by tensors, and waiting to be used again. */
export function nativeMemory(): { live: number; idle: number } {
  const backend = findBackend(NAME)
  if (!(backend instanceof NativeBackend)) {
    throw new BackendError(
      'native-inactive',
      'nativeMemory: the native backend is not up; call useBackend(native()) first.',
    )
  }
  return backend.memoryPool.usage
}

/** Whether the backend that is up fills free memory with NaN. */
let poisoned = false

/** The native backend: C++ kernels on typed arrays. Threads and instruction set may change while it is up, poison not. */
export function native(options: NativeOptions = {}): BackendProvider {
  const { FILATURE_NATIVE_POISON, FILATURE_NATIVE_INSTRUCTION_SET } = process.env
  const { threads, instructionSet = FILATURE_NATIVE_INSTRUCTION_SET, poison = FILATURE_NATIVE_POISON === '1' } = options
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024)) {
    throw new ConfigError('native-threads', `native: wanted threads from 1 to 1024, got ${threads}.`)
  }
  return {
    name: NAME,
    available: async () => addonMissing() ?? true,
    activate: async () => {
      const isUp = Boolean(findBackendFactory(NAME))
      if (isUp && options.poison !== undefined && options.poison !== poisoned) {
        throw new BackendError(
          'native-already-up',
          `native: it is up already, ${poisoned ? 'with' : 'without'} poison; one process has one native backend.`,
        )
      }
      const addon = loadAddon()
      if (instructionSet !== undefined && addon.isa(instructionSet) !== instructionSet) {
        throw new BackendError(
          'native-instruction-set',
          `native: wanted the instruction set '${instructionSet}', this machine has ${addon.isas().replaceAll(' ', ', ')}.`,
        )
      }
      if (instructionSet === undefined) addon.isa('auto')
      addon.threads(threads ?? addon.cores())
      if (!isUp) {
        poisoned = poison
        registerKernels(NAME)
        registerBackend(NAME, () => new NativeBackend(addon, { poison }), 5)
      }
      const features = [addon.isa(), ...(addon.bf16Pairs() ? ['bf16 pairs'] : [])]
      const model = cpus()[0]?.model.trim() || process.arch
      return { device: model, threads: addon.threads(), features }
    },
  }
}

/**
 * Runs `fn` with matrix products in bfloat16: the operands of products with more than 16 rows are rounded, to the nearest,
 * and summed in float32. Weights, their gradients and updates, and all other ops stay float32. Faster only where
 * `report.features` has 'bf16 pairs'; elsewhere the same numbers at float32's speed. On another backend it changes nothing.
 * @throws UsageError when `fn` returns a promise: the scope is synchronous
 */
export function bf16Products<T>(fn: () => T): T {
  if (getBackend() !== NAME) return fn()
  const addon = loadAddon()
  const outer = addon.bf16()
  addon.bf16(true)
  try {
    const result = fn()
    if (typeof (result as PromiseLike<unknown> | null | undefined)?.then === 'function') {
      throw new UsageError(
        'bf16-async',
        'bf16Products: wanted a synchronous function, got a promise; enter it again at each step.',
      )
    }
    return result
  } finally {
    addon.bf16(outer)
  }
}
