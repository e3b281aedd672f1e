// Where a browser has its GPU.
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu'
import type { Gpu } from './gpu-types.ts'

export const gpu: Gpu = {
  WebGPUBackend,
  async find() {
    const found = (globalThis.navigator as Navigator | undefined)?.gpu
    return found ?? 'this browser has no WebGPU (navigator.gpu is missing; pages need https or localhost)'
  },
}
