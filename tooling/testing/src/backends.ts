import { type BackendProvider, cpu, useBackend } from '@filature/tensor'
// biome-ignore lint/style/noRestrictedImports: a setting for tests, which users have no need of
import { env } from '@tensorflow/tfjs-core'

export const BACKENDS = ['cpu', 'wasm', 'native', 'webgpu'] as const
export type BackendName = (typeof BACKENDS)[number]

type Activated = { readonly ok: true } | { readonly ok: false; readonly reason: string }

const listOf = (variable: string) => (process.env[variable] ?? '').split(',').filter(Boolean)

/** Backends that the tests try: all, or those that `BACKENDS=cpu,wasm` names. */
export function backendsToTest(): BackendName[] {
  const only = listOf('BACKENDS')
  return BACKENDS.filter((name) => !only.length || only.includes(name))
}

/** Whether `REQUIRE_BACKENDS` turns a missing backend from a visible skip into a failure. */
export function isRequired(name: string): boolean {
  return listOf('REQUIRE_BACKENDS').includes(name)
}

// Imported when asked for: a package that cannot be loaded is a backend that is not at hand.
const providers: Record<BackendName, () => Promise<BackendProvider>> = {
  cpu: async () => cpu(),
  wasm: () => provided('wasm', import('@filature/backend-wasm')),
  native: () => provided('native', import('@filature/backend-native')),
  webgpu: () => provided('webgpu', import('@filature/backend-webgpu')),
}

async function provided(name: string, module: Promise<object>): Promise<BackendProvider> {
  const make = ((await module) as Record<string, unknown>)[name]
  if (typeof make !== 'function') throw new Error(`@filature/backend-${name} exports no provider '${name}'`)
  return make() as BackendProvider
}

/** Brings a backend up and makes it the active one, or says why it cannot be. `float64` is cpu in a process of doubles. */
export async function activateBackend(name: BackendName | 'float64'): Promise<Activated> {
  try {
    if (name === 'float64' && Float32Array.BYTES_PER_ELEMENT !== 8) {
      return { ok: false, reason: 'this process holds floats; start it with float64-preload.cjs' }
    }
    const provider = await providers[name === 'float64' ? 'cpu' : name]()
    // tfjs computes small tensors on the processor where it can: in tests the GPU shall
    if (name === 'webgpu') env().set('WEBGPU_CPU_FORWARD', false)
    await useBackend(provider)
    return { ok: true }
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) }
  }
}
