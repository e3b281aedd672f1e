import type { KernelConfig, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'

export type Inputs = Record<string, TensorInfo | undefined>
export type KernelFunction = (engine: WasmEngine, inputs: Inputs, attrs: never) => TensorInfo | TensorInfo[]

/** A kernel of this backend. */
export function kernel(kernelName: string, run: KernelFunction): KernelConfig {
  return {
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, backend, attrs }) =>
      run(backend as WasmEngine, inputs as unknown as Inputs, (attrs ?? {}) as NamedAttrMap as never),
  }
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1)

/** Product of all dimensions but the last. */
export const rowsOf = (shape: readonly number[]): number => sizeOf(shape.slice(0, -1))

export type { TensorInfo }
