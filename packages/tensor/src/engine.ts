import * as tf from '#tfjs'
import { BackendError } from './errors.ts'
import { mendCpu } from './mend-cpu.ts'
import { mendGradients } from './mend-gradients.ts'

/** One recorded kernel call of the engine's tape. */
export interface TapeNode {
  inputs: Record<string, tf.Tensor>
  outputs: tf.Tensor[]
  saved?: tf.Tensor[]
  kernelName: string
  gradient?: (dys: (tf.Tensor | null)[]) => Record<string, () => tf.Tensor>
}

/** What the backward walk and the fused ops lean on inside tfjs' engine. */
export interface Engine {
  state: {
    activeTape: TapeNode[] | null
    gradientDepth: number
    kernelDepth: number
    numTensors: number
    numBytes: number
    profiling: boolean
    tensorInfo: WeakMap<object, { backend: tf.KernelBackend }>
  }
  backendName: string
  backend: tf.KernelBackend
  startScope(name?: string): void
  endScope(result?: tf.TensorContainer): void
  startTape(): void
  endTape(): void
  isTapeOn(): boolean
  keep<T extends tf.Tensor>(tensor: T): T
  track<T extends tf.Tensor>(tensor: T): T
  clone<T extends tf.Tensor>(tensor: T): T
  makeTensorFromTensorInfo(info: tf.TensorInfo, backend?: tf.KernelBackend): tf.Tensor
  getTensorsForGradient(kernelName: string, inputs: Record<string, tf.Tensor>, outputs: tf.Tensor[]): tf.Tensor[]
  addTapeNode(
    kernelName: string,
    inputs: Record<string, tf.Tensor>,
    outputs: tf.Tensor[],
    gradient: KernelCall['backwardsFunc'] | null,
    saved: tf.Tensor[],
    attrs: object | undefined,
  ): void
  runKernel(name: string, inputs: object, attrs?: object): tf.Tensor | tf.Tensor[]
  runKernelFunc(call: KernelCall): tf.Tensor | tf.Tensor[]
}

/** A kernel by name, or functions with a gradient of their own. */
export interface KernelCall {
  kernelName?: string
  forwardFunc?: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor | tf.Tensor[]
  backwardsFunc?: (dy: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>
  inputs: Record<string, tf.Tensor>
  attrs?: object
}

export const engine = tf.engine() as unknown as Engine

const INTERNALS = [
  'startScope',
  'endScope',
  'startTape',
  'endTape',
  'isTapeOn',
  'keep',
  'track',
  'clone',
  'makeTensorFromTensorInfo',
  'getTensorsForGradient',
  'addTapeNode',
  'runKernel',
  'runKernelFunc',
] as const

const STATE = {
  gradientDepth: 'number',
  kernelDepth: 'number',
  numTensors: 'number',
  numBytes: 'number',
  profiling: 'boolean',
  tensorInfo: 'object',
} as const

/** What of the above an engine does not have. */
export function missingInternals(of: Engine): string[] {
  const methods = INTERNALS.filter((name) => typeof of[name] !== 'function')
  const state = Object.entries(STATE).filter(([name, type]) => typeof of.state?.[name as keyof typeof STATE] !== type)
  return [...methods, ...state.map(([name]) => `state.${name}`)]
}

/** Refuses an engine whose internals have moved, and a second copy of this package on the same engine. */
function checkEngine(): void {
  const missing = missingInternals(engine)
  if (missing.length) {
    throw new BackendError(
      'engine-internals',
      `@filature/tensor: tfjs ${tf.version_core} lacks the engine internals ${missing.join(', ')}; ` +
        'it is made for tfjs 4.22.0: install exactly that version.',
    )
  }
  const registry = globalThis as { [key: symbol]: unknown }
  const mark = Symbol.for('@filature/tensor')
  if (registry[mark] !== undefined && registry[mark] !== engine) {
    throw new BackendError(
      'engine-duplicate',
      '@filature/tensor: a second copy of tfjs-core is loaded; deduplicate @tensorflow/tfjs-core in your install.',
    )
  }
  registry[mark] = engine
}

checkEngine()
mendCpu()
mendGradients()
