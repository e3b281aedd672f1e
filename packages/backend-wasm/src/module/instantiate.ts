import { BackendError, ConfigError } from '@filature/tensor'
import { host } from '#host'

/** Bytes of the stack that each thread of the kernels has on the engine's memory. */
const STACK_BYTES = 65536

export interface KernelBinary {
  module: WebAssembly.Module
  relaxed: boolean
}

/** The build for this runtime: relaxed SIMD where the instructions exist (or were asked for), else SIMD128. */
export async function loadBinary(relaxedSimd: boolean | undefined, shared: boolean): Promise<KernelBinary> {
  if (relaxedSimd !== false) {
    const { base64 } = await import('../binary/relaxed.ts')
    const bytes = decode(base64, shared)
    if (relaxedSimd && !WebAssembly.validate(bytes)) host.enableRelaxedSimd()
    if (WebAssembly.validate(bytes)) return { module: await WebAssembly.compile(bytes), relaxed: true }
    if (relaxedSimd) {
      throw new ConfigError(
        'wasm-relaxed-simd',
        'wasm: relaxedSimd is asked for, and this runtime has no relaxed SIMD.',
      )
    }
  }
  const { base64 } = await import('../binary/simd.ts')
  const bytes = decode(base64, shared)
  if (!WebAssembly.validate(bytes)) {
    throw new BackendError('wasm-simd', 'wasm: this runtime lacks SIMD128; use a browser of 2022 or later, or Node 20.')
  }
  return { module: await WebAssembly.compile(bytes), relaxed: false }
}

/** The module imports a shared memory; one bit of that import makes it a plain one. */
function decode(base64: string, shared: boolean): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
  if (!shared) bytes[memoryFlags(bytes)]! &= ~2
  return bytes
}

const IMPORT_SECTION = 2
const KIND_MEMORY = 2

/** Where the limits of the imported memory stand; the memory is the module's only import. */
function memoryFlags(bytes: Uint8Array): number {
  let at = 8
  const number = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }
  for (;;) {
    const id = bytes[at++]
    const size = number()
    if (id !== IMPORT_SECTION) {
      at += size
      continue
    }
    number() // how many imports
    for (let name = 0; name < 2; name++) {
      const length = number() // 'env', 'memory'
      at += length
    }
    if (bytes[at++] !== KIND_MEMORY) throw new BackendError('wasm-kernels', 'wasm: the kernel module is malformed.')
    return at
  }
}

export type Exports = Record<string, (...args: number[]) => number>

/** An instance on the engine's memory, its stack at `stack` (STACK_BYTES allocated there). */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory, stack: number): Exports {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  const pointer = exports.__stack_pointer as WebAssembly.Global
  pointer.value = (stack + STACK_BYTES) & ~15
  return exports as unknown as Exports
}

export { STACK_BYTES }
