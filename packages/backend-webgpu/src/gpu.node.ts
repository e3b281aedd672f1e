// Where Node has its GPU: Google's Dawn from the npm package `webgpu`, an optional peer.
import tfjsWebgpu from '@tensorflow/tfjs-backend-webgpu'
import type { Gpu } from './gpu-types.ts'

type Dawn = { create(flags: string[]): GPU; globals: Record<string, unknown> }

let entry: GPU | undefined

export const gpu: Gpu = {
  WebGPUBackend: tfjsWebgpu.WebGPUBackend,

  async find(flags) {
    if (entry) return entry
    let dawn: Dawn
    try {
      dawn = (await import('webgpu')) as never
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return code === 'ERR_MODULE_NOT_FOUND'
        ? 'Node has WebGPU through the npm package webgpu: install webgpu@0.6.2'
        : `the npm package webgpu does not load here: ${message}`
    }
    entry = dawn.create([...flags])
    // tfjs reads the constants of WebGPU from the global scope and looks for navigator.gpu
    for (const [name, value] of Object.entries(dawn.globals)) {
      if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
    }
    const place = globalThis.navigator ?? {}
    Object.defineProperty(place, 'gpu', { value: entry, configurable: true })
    if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: place, configurable: true })
    return entry
  },
}
