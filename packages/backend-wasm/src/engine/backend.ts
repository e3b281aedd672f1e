import type { DataType, TensorInfo } from '@tensorflow/tfjs-core'
import { host } from '#host'
import type { KernelModule } from '../module/kernel-module.ts'
import type { EngineModule } from './host-types.ts'

/** tfjs' wasm backend with our kernels beside it, on the same memory. */
export class WasmEngine extends host.BackendWasm {
  readonly kernels: KernelModule
  readonly engine: EngineModule

  constructor(engine: EngineModule, kernels: KernelModule) {
    super(engine as never)
    this.engine = engine
    this.kernels = kernels
  }

  /** Where a tensor lies, in bytes; 0 for an absent one. */
  at(tensor: TensorInfo | undefined): number {
    return tensor ? this.dataIdMap.get(tensor.dataId).memoryOffset : 0
  }

  /** A new tensor whose values are whatever was there. */
  empty(shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    return this.makeOutput(shape as number[], dtype)
  }

  /** The bytes of a new tensor set to zero. */
  zeros(shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    const out = this.empty(shape, dtype)
    const from = this.at(out)
    const size = shape.reduce((n, d) => n * d, 1)
    this.engine.HEAPU8.fill(0, from, from + size * (dtype === 'bool' ? 1 : 4))
    return out
  }

  /** A second handle on the data of a tensor, under another shape. */
  view(tensor: TensorInfo, shape: readonly number[]): TensorInfo {
    this.incRef(tensor.dataId)
    return { dataId: tensor.dataId, shape: shape as number[], dtype: tensor.dtype }
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
