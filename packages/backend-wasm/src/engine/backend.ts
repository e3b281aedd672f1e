import type { DataType, TensorInfo } from '@tensorflow/tfjs-core'
import { host } from '#host'
import type { KernelModule } from '../module/kernel-module.ts'
import type { EngineModule } from './host-types.ts'

const sizeOf = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)

/** tfjs' wasm backend with our kernels beside it, on the same memory. */
export class WasmEngine extends host.BackendWasm {
  readonly kernels: KernelModule
  readonly engine: EngineModule
  /** Whose memory a tensor lies in that has none of its own. */
  readonly #bases = new WeakMap<object, object>()

  constructor(engine: EngineModule, kernels: KernelModule) {
    super(engine as never)
    this.engine = engine
    this.kernels = kernels
  }

  /** Where a tensor lies, in bytes; 0 for an absent one. */
  at(tensor: TensorInfo | undefined): number {
    return tensor ? this.dataIdMap.get(tensor.dataId).memoryOffset : 0
  }

  /** The numbers of a float32 tensor where they lie; good until the next allocation, which may move the memory. */
  floats(tensor: TensorInfo): Float32Array {
    return new Float32Array(this.engine.HEAPU8.buffer, this.at(tensor), sizeOf(tensor.shape))
  }

  /** The numbers of an int32 tensor, as `floats`. */
  ints(tensor: TensorInfo): Int32Array {
    return new Int32Array(this.engine.HEAPU8.buffer, this.at(tensor), sizeOf(tensor.shape))
  }

  /** A new tensor whose values are whatever was there. */
  empty(shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    return this.makeOutput(shape as number[], dtype)
  }

  /** The bytes of a new tensor set to zero. */
  zeros(shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    const out = this.empty(shape, dtype)
    const from = this.at(out)
    this.engine.HEAPU8.fill(0, from, from + sizeOf(shape) * (dtype === 'bool' ? 1 : 4))
    return out
  }

  /** A second handle on the data of a tensor, under another shape. */
  view(tensor: TensorInfo, shape: readonly number[]): TensorInfo {
    this.incRef(tensor.dataId)
    return { dataId: tensor.dataId, shape: shape as number[], dtype: tensor.dtype }
  }

  /** A tensor on the first bytes of another's memory, which stays until both are gone. */
  within(base: TensorInfo, shape: readonly number[]): TensorInfo {
    const out = this.makeOutput(shape as number[], base.dtype, this.at(base))
    this.incRef(base.dataId)
    this.#bases.set(out.dataId, base.dataId)
    return out
  }

  override disposeData(dataId: object, force = false): boolean {
    const base = this.#bases.get(dataId)
    if (!base) return super.disposeData(dataId, force)
    const data = this.dataIdMap.get(dataId)
    data.refCount--
    if (!force && data.refCount > 0) return false
    const { disposeData } = this.wasm.tfjs
    disposeData(data.id)
    this.dataIdMap.delete(dataId)
    this.#bases.delete(dataId)
    this.disposeData(base)
    return true
  }

  /** A block for the time of one call; give it back with `free`. */
  allocate(bytes: number): number {
    return this.engine._malloc(bytes) >>> 0
  }

  free(address: number): void {
    this.engine._free(address)
  }

  override dispose(): void {
    this.kernels.stop()
    super.dispose()
  }
}
