import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu'
import type { backend_util, DataType, TensorInfo } from '@tensorflow/tfjs-core'
import type { Addon } from './addon.ts'
import { Memory } from './memory.ts'

type Values = backend_util.BackendValues
type Numbers = Float32Array | Int32Array | Uint8Array

/**
 * tfjs' cpu engine on memory of our own. Its data stay typed arrays, so that every cpu kernel works; what it takes from the
 * user and hands to the user is copied, because blocks are recycled and optimizers write in place.
 */
export class NativeBackend extends MathBackendCPU {
  readonly addon: Addon
  readonly memoryPool: Memory

  /** Data that the kernel at hand has made, null outside. */
  #made: object[] | null = null

  constructor(addon: Addon, options: { poison?: boolean } = {}) {
    super()
    this.addon = addon
    this.memoryPool = new Memory(addon, options)
    // the cpu engine's advice to install another package
    ;(this as unknown as { firstUse: boolean }).firstUse = false
  }

  /** New data from outside: copied. */
  override write(values: Values, shape: number[], dtype: DataType): object {
    return this.#store(this.#own(values), shape, dtype)
  }

  override move(dataId: object, values: Values, _shape: number[], dtype: DataType, refCount: number): void {
    const own = this.#own(values)
    this.memoryPool.retain(own)
    this.data.set(dataId, { values: own, dtype, refCount })
  }

  /** `adopt` of @filature/tensor hands arrays to `makeTensorInfo`. */
  readonly adopts = true

  /** A kernel's result: taken as it is. */
  override makeTensorInfo(shape: number[], dtype: DataType, values?: Values | string[]): TensorInfo {
    if (dtype === 'string') return super.makeTensorInfo(shape, dtype, values)
    const dataId = this.#store(values as Values, shape, dtype)
    this.#made?.push(dataId)
    return { dataId, shape, dtype }
  }

  /** Runs a kernel; what it had made when it threw is freed. */
  guarded<T>(kernel: () => T): T {
    const outer = this.#made
    const made: object[] = []
    this.#made = made
    try {
      return kernel()
    } catch (error) {
      for (const dataId of made) this.disposeData(dataId, true)
      throw error
    } finally {
      this.#made = outer
    }
  }

  #store(values: Values, shape: number[], dtype: DataType): object {
    this.memoryPool.retain(values)
    return super.write(values, shape, dtype)
  }

  #own(values: Values): Values {
    if (values instanceof Float32Array) {
      const own = this.memoryPool.floats(values.length)
      own.set(values)
      return own
    }
    if (values instanceof Int32Array) {
      const own = this.memoryPool.ints(values.length)
      own.set(values)
      return own
    }
    return values instanceof Uint8Array ? values.slice() : values
  }

  override readSync(dataId: object): Values {
    const values = super.readSync(dataId)
    return ArrayBuffer.isView(values) ? (values as Numbers).slice() : values
  }

  override disposeData(dataId: object, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined
    const gone = super.disposeData(dataId, force)
    if (gone && values !== undefined) this.memoryPool.forget(values)
    return gone
  }

  override dispose(): void {
    this.memoryPool.trim(0)
  }

  /** A tensor's numbers where they lie. */
  floats(x: TensorInfo): Float32Array {
    return this.data.get(x.dataId).values as Float32Array
  }
  ints(x: TensorInfo): Int32Array {
    const values = this.data.get(x.dataId).values as Int32Array | Uint8Array
    return values instanceof Uint8Array ? Int32Array.from(values) : values // tfjs casts bool by name alone
  }
  numbers(x: TensorInfo): Numbers {
    return this.data.get(x.dataId).values as Numbers
  }

  /** The same data under another shape, as tfjs' Reshape gives it. */
  alias(x: TensorInfo, shape: number[]): TensorInfo {
    this.incRef(x.dataId)
    return { dataId: x.dataId, shape, dtype: x.dtype }
  }
}
