import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu'

/** What differs between Node and a browser. */
export interface Gpu {
  WebGPUBackend: typeof WebGPUBackend
  /** The entry to the GPU, or why there is none. `flags` are Dawn's, for Node. */
  find(flags: readonly string[]): Promise<GPU | string>
}
