// Brings the backend up for a test file, or says why its tests are skipped.
import { useBackend } from '@filature/tensor'
import { webgpu } from '../index.ts'

const required = (process.env.REQUIRE_BACKENDS ?? '').split(',').includes('webgpu')

/** Undefined where the backend is up, else the reason; REQUIRE_BACKENDS=webgpu makes that an error. */
export async function whyNoWebGPU(): Promise<string | undefined> {
  try {
    await useBackend(webgpu())
    return undefined
  } catch (error) {
    const reason = (error as Error).message
    if (required) throw error
    console.warn(`webgpu tests are skipped: ${reason}`)
    return reason
  }
}
