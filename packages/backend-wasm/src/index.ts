export { type WasmOptions, wasm } from './provider.ts'
