import { type BackendDevice, BackendError, type BackendProvider } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { gpu } from '#gpu'
import { CheckedBackend } from './device.ts'

export interface WebGPUOptions {
  /** Which adapter the system should prefer; default the fast one. */
  powerPreference?: 'low-power' | 'high-performance'
  /** Node alone: flags for Dawn, 'backend=vulkan' or 'adapter=NAME' say. */
  dawn?: readonly string[]
}

/** Limits that tfjs' kernels use beyond the guaranteed ones. */
const LIMITS = [
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
  'maxStorageBuffersPerShaderStage',
] as const
const FEATURES = ['timestamp-query', 'shader-f16', 'subgroups']

let up: CheckedBackend | undefined

/** The WebGPU backend: in browsers, and in Node through Dawn (the npm package `webgpu`). Read with `data()`. */
export function webgpu(options: WebGPUOptions = {}): BackendProvider {
  let adapter: GPUAdapter | undefined
  return {
    name: 'webgpu',

    async available() {
      if (up && !up.ended) return true
      const found = await gpu.find(options.dawn ?? [])
      if (typeof found === 'string') return found
      const powerPreference = options.powerPreference ?? 'high-performance'
      adapter = (await found.requestAdapter({ powerPreference })) ?? undefined
      return adapter ? true : 'the system offers no GPU adapter (on Linux: a Vulkan driver and libvulkan1)'
    },

    async activate() {
      if (up && !up.ended) {
        up.check()
        return described(up.device, up.device.adapterInfo)
      }
      if (!adapter) throw new BackendError('webgpu-adapter', 'webgpu: activate() comes after available() said yes.')
      const requiredFeatures = FEATURES.filter((name) => adapter!.features.has(name)) as GPUFeatureName[]
      const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter!.limits[name]]))
      const device = await adapter.requestDevice({ requiredFeatures, requiredLimits })
      const backend = new CheckedBackend(device, adapter.info)
      if (tf.findBackendFactory('webgpu')) tf.removeBackend('webgpu')
      tf.registerBackend('webgpu', () => backend, 3)
      up = backend
      return described(device, adapter.info)
    },
  }
}

function described(
  device: GPUDevice,
  { description, device: model, vendor, architecture }: GPUAdapterInfo,
): BackendDevice {
  const name = description || model || [vendor, architecture].filter(Boolean).join(' ') || 'WebGPU'
  return { device: name, threads: 1, features: FEATURES.filter((feature) => device.features.has(feature as never)) }
}
