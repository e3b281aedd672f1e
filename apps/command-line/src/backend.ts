import { type ActiveBackend, BackendError, type BackendProvider, ConfigError, cpu, useBackend } from '@filature/tensor'
import type { Command } from 'commander'
import { wholeNumber } from './options.ts'

const makers: Record<string, (options: { threads?: number }) => Promise<BackendProvider>> = {
  native: async (options) => (await import('@filature/backend-native')).native(options),
  wasm: async (options) => (await import('@filature/backend-wasm')).wasm(options),
  cpu: async () => cpu(),
}

export interface BackendOptions {
  backend: string
  threads?: number
}

const USUAL = 'native,wasm,cpu'

/** Adds `--backend` and `--threads`. */
export function withBackend(command: Command): Command {
  return command
    .option('--backend <names>', 'backends to try, in this order', USUAL)
    .option('--threads <n>', 'threads of the backend (default: as many as it likes)', wholeNumber(1))
}

export interface ChosenBackend extends ActiveBackend {
  /** Those before it in the list, each with why it is not the one. */
  readonly passedOver: readonly string[]
}

/** The first backend of the list that comes up and passes its self-test. */
export async function activate({ backend, threads }: BackendOptions): Promise<ChosenBackend> {
  const names = backend.split(',').map((name) => name.trim())
  if (threads !== undefined && threads > 1 && names.every((name) => name === 'cpu')) {
    throw new ConfigError('backend-threads', `--threads ${threads}: the cpu backend has one; leave it out.`)
  }
  const providers: BackendProvider[] = []
  const absent = new Map<string, string>()
  const refusals: ConfigError[] = []
  for (const name of names) {
    const make = Object.hasOwn(makers, name) ? makers[name] : undefined
    if (!make) {
      throw new ConfigError('backend-name', `--backend: wanted names of ${Object.keys(makers)}, got "${name}".`)
    }
    try {
      providers.push(await make(threads === undefined ? {} : { threads }))
    } catch (error) {
      if (error instanceof ConfigError) refusals.push(error)
      absent.set(name, error instanceof Error ? error.message : String(error))
    }
  }
  // cpu takes any options, having none: it is no way round a wrong one
  if (refusals[0] && providers.every(({ name }) => name === 'cpu')) throw refusals[0]
  if (providers.length === 0) {
    const reasons = [...absent].map(([name, reason]) => `${name}: ${reason}`)
    throw new BackendError('no-backend', `--backend ${backend}: none can be loaded.\n${reasons.join('\n')}`)
  }
  const active = await useBackend(providers)
  const reason = async (name: string) => {
    const available = await providers.find((provider) => provider.name === name)?.available()
    return `${name}: ${absent.get(name) ?? (typeof available === 'string' ? available : 'it came up, but computes wrongly')}`
  }
  return { ...active, passedOver: await Promise.all(names.slice(0, names.indexOf(active.name)).map(reason)) }
}

/** What to type for the same backend once more; nothing where it is the usual one. */
export function backendFlags({ backend, threads }: BackendOptions): string {
  return (backend === USUAL ? '' : ` --backend ${backend}`) + (threads === undefined ? '' : ` --threads ${threads}`)
}

/** Its name and what it runs on; a line for each that was wanted before it. */
export function describeBackend({ report, passedOver }: ChosenBackend): string {
  const threads = report.threads === 1 ? '1 thread' : `${report.threads} threads`
  const chosen = `${report.name} (${report.device}, ${[threads, ...report.features].join(', ')})`
  return [chosen, ...passedOver.map((reason) => `  not ${reason}`)].join('\n')
}
