import * as tf from '#tfjs'
import { BackendError, MemoryError } from './errors.ts'
import { forgetKernels } from './kernel-call.ts'
import { liveMemory } from './memory.ts'
import { type SelfTestReport, selfTest } from './self-test.ts'

/** What a backend package offers. */
export interface BackendProvider {
  /** Name under which the engine knows it: 'native', 'wasm', 'webgpu', 'cpu'. */
  readonly name: string
  /** True, or the reason why it cannot run here. */
  available(): Promise<true | string>
  /** Brings the engine's backend up (kernels registered) and describes the device. It need not make it the active one. */
  activate(): Promise<BackendDevice>
}

export interface BackendDevice {
  /** 'AMD EPYC ..., AVX-512', 'SwiftShader', ... */
  device: string
  threads: number
  /** Instruction sets or GPU features in use. */
  features: string[]
  /** Bytes that all its tensors together can take, where the engine itself has a limit. */
  memoryLimit?: number
}

export interface BackendReport extends BackendDevice {
  name: string
  /** Largest errors of the self-test by check. */
  selfTest: SelfTestReport
  /** Plain kernels that tfjs' cpu engine has and this backend lacks. */
  missingKernels: string[]
}

export interface ActiveBackend {
  readonly name: string
  readonly report: BackendReport
}

/** tfjs' plain JavaScript engine: slow, complete, always there. */
export function cpu(): BackendProvider {
  return {
    name: 'cpu',
    available: async () => (tf.findBackendFactory('cpu') ? true : 'the cpu engine of tfjs is not registered'),
    activate: async () => {
      await tf.ready()
      // the engine greets its first user in Node with advice to install another one
      ;(tf.findBackend('cpu') as { firstUse?: boolean }).firstUse = false
      return { device: 'JavaScript', threads: 1, features: [] }
    },
  }
}

const limits = new Map<string, number | undefined>()

/**
 * Refuses what cannot fit before any of it is made: `bytes` more of tensors beside those that live, on the active backend.
 * @throws MemoryError
 */
export function requireMemory(who: string, bytes: number): void {
  const name = tf.getBackend()
  const limit = limits.get(name)
  const live = liveMemory().bytes
  if (limit === undefined || live + bytes <= limit) return
  const mebibytes = (n: number) => `${Math.ceil(n / 2 ** 20)} MiB`
  throw new MemoryError(
    'memory-limit',
    `${who}: wanted ${mebibytes(bytes)} of tensors beside the ${mebibytes(live)} that live; the ${name} backend holds ` +
      `${mebibytes(limit)} in all. Take the native backend, or hold weights as bf16.`,
  )
}

function missingKernels(name: string): string[] {
  const has = new Set(tf.getKernelsForBackend(name).map((kernel) => kernel.kernelName))
  return tf
    .getKernelsForBackend('cpu')
    .map((kernel) => kernel.kernelName)
    .filter((kernel) => !has.has(kernel))
}

/**
 * Makes the first backend that comes up and computes rightly the active one.
 * @throws BackendError that says for each why it did not
 */
export async function useBackend(candidates: BackendProvider | readonly BackendProvider[]): Promise<ActiveBackend> {
  const providers = Array.isArray(candidates) ? candidates : [candidates as BackendProvider]
  const reasons: string[] = []
  for (const provider of providers) {
    const before = tf.getBackend()
    try {
      const available = await provider.available()
      if (available !== true) {
        reasons.push(`${provider.name}: ${available}`)
        continue
      }
      const device = await provider.activate()
      if (!(await tf.setBackend(provider.name))) {
        reasons.push(`${provider.name}: the engine could not be started`)
        continue
      }
      limits.set(provider.name, device.memoryLimit)
      forgetKernels()
      const report = await selfTest()
      if (report.failed.length === 0) {
        const { name } = provider
        return { name, report: { name, ...device, selfTest: report, missingKernels: missingKernels(name) } }
      }
      reasons.push(`${provider.name}: it computes wrongly (${report.failed.join('; ')})`)
    } catch (error) {
      reasons.push(`${provider.name}: ${error instanceof Error ? error.message : error}`)
    }
    if (before && before !== provider.name) await tf.setBackend(before)
  }
  throw new BackendError(
    'no-backend',
    `useBackend: no backend came up.\n${reasons.map((reason) => `  ${reason}`).join('\n') || '  none was given'}`,
  )
}

/** Name of the active backend. */
export function activeBackend(): string {
  return tf.getBackend()
}
