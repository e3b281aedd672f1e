import { type ActiveBackend, BackendError, type BackendProvider, ConfigError, cpu, useBackend } from '@filature/tensor'
import type { Command } from 'commander'
import { wholeNumber } from './numbers.ts'

const makers: Record<string, (options: { threads?: number }) => Promise<BackendProvider>> = {
  native: async (options) => (await import('@filature/backend-native')).native(options),
  wasm: async (options) => (await import('@filature/backend-wasm')).wasm(options),
  cpu: async () => cpu(),
}

export interface BackendOptions {
  backend: string
  threads?: number
}

/** Adds `--backend` and `--threads`. */
export function withBackend(command: Command): Command {
  return command
    .option('--backend <names>', 'backends to try, in this order', 'native,wasm,cpu')
    .option('--threads <n>', 'threads of the backend (default: as many as it likes)', wholeNumber(1))
}

/** The first backend of the list that comes up and passes its self-test. */
export async function activate({ backend, threads }: BackendOptions): Promise<ActiveBackend> {
  const names = backend.split(',').map((name) => name.trim())
  const providers: BackendProvider[] = []
  const absent: string[] = []
  for (const name of names) {
    const make = Object.hasOwn(makers, name) ? makers[name] : undefined
    if (!make) {
      throw new ConfigError('backend-name', `--backend: wanted names of ${Object.keys(makers)}, got "${name}".`)
    }
    try {
      providers.push(await make(threads === undefined ? {} : { threads }))
    } catch (error) {
      absent.push(`${name}: ${error instanceof Error ? error.message : error}`)
    }
  }
  if (providers.length === 0)
    throw new BackendError('no-backend', `--backend ${backend}: none can be loaded.\n${absent.join('\n')}`)
  return await useBackend(providers)
}

export function describeBackend({ report }: ActiveBackend): string {
  const threads = report.threads === 1 ? '1 thread' : `${report.threads} threads`
  return `${report.name} (${report.device}, ${[threads, ...report.features].join(', ')})`
}
