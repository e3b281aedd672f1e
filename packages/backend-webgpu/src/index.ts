export { type WebGPUOptions, webgpu } from './provider.ts'
