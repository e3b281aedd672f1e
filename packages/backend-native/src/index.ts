export { type NativeOptions, native, nativeMemory } from './provider.ts'
