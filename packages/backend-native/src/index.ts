export { bf16Products, type NativeOptions, native, nativeMemory } from './provider.ts'
