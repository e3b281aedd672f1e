import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core'
import type { Addon } from '../addon.ts'
import type { NativeBackend } from '../backend.ts'

export type Inputs = Record<string, TensorInfo | undefined>

/** A kernel of ours; `otherwise` is tfjs' cpu kernel of that name, for types and ranks that ours leaves alone. */
export type Kernel = (
  inputs: Inputs,
  // biome-ignore lint/suspicious/noExplicitAny: each kernel knows its attributes
  attrs: any,
  run: { backend: NativeBackend; addon: Addon; otherwise: () => TensorInfo | TensorInfo[] },
) => TensorInfo | TensorInfo[]

export type Kernels = Record<string, Kernel>
export type Attributes = NamedAttrMap

export function sizeOf(shape: readonly number[]): number {
  let n = 1
  for (const d of shape) n *= d
  return n
}

/** Rows before the last axis, and its width. */
export function rowsOf(shape: readonly number[]): [rows: number, columns: number] {
  const columns = shape.length ? shape[shape.length - 1]! : 1
  return [columns ? sizeOf(shape) / columns : sizeOf(shape.slice(0, -1)), columns]
}

/** A result to be filled. */
export function output(backend: NativeBackend, shape: number[]): { info: TensorInfo; values: Float32Array } {
  const values = backend.memoryPool.floats(sizeOf(shape))
  return { info: backend.makeTensorInfo(shape, 'float32', values), values }
}

export const areFloats = (...tensors: (TensorInfo | undefined)[]) =>
  tensors.every((t) => t === undefined || t.dtype === 'float32')

/** The numbers of an optional tensor. */
export const maybe = (backend: NativeBackend, x: TensorInfo | undefined) => (x ? backend.floats(x) : null)

/**
 * Gradient outputs in the order of `needs`: `make(name)` gives the shape; those not needed are null.
 */
export class Gradients {
  readonly #backend: NativeBackend
  readonly #needs: readonly string[]
  readonly #made = new Map<string, { info: TensorInfo; values: Float32Array }>()

  constructor(backend: NativeBackend, needs: readonly string[]) {
    this.#backend = backend
    this.#needs = needs
  }

  wants(name: string): boolean {
    return this.#needs.includes(name)
  }

  /** Memory for the gradient of an input, or null where nobody asks for it. */
  of(name: string, like: TensorInfo | undefined): Float32Array | null {
    if (!like || !this.wants(name)) return null
    const made = output(this.#backend, like.shape)
    this.#made.set(name, made)
    return made.values
  }

  put(name: string, info: TensorInfo): void {
    this.#made.set(name, { info, values: this.#backend.floats(info) })
  }

  get results(): TensorInfo[] {
    return this.#needs.map((name) => this.#made.get(name)!.info)
  }
}
