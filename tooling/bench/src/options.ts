import { parseArgs } from 'node:util'
import { ConfigError } from '@filature/tensor'
import type { Bench } from './bench.ts'

export const usage = `npm run bench -- [names] [--backend NAME] [--threads N] [--budget MS] [--json] [--list]
  names        those whose name begins so; all when none is given
  --backend    native (when left out), wasm, webgpu or cpu
  --threads    of native and wasm; 2 when left out
  --budget     ms of samples for each bench; 3000 when left out
  --json       one line of JSON for each, as the peers' scripts print
  --list       the names and what they measure`

const threaded = ['native', 'wasm']
const backends = [...threaded, 'webgpu', 'cpu']

export interface Options {
  readonly names: string[]
  readonly backend: string
  readonly threads: number
  readonly budget: number
  readonly json: boolean
  readonly list: boolean
  readonly help: boolean
}

/** @throws ConfigError for an option that cannot be, or that the backend would ignore */
export function optionsOf(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      backend: { type: 'string', default: 'native' },
      threads: { type: 'string' },
      budget: { type: 'string', default: '3000' },
      json: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { backend, json, list, help } = values
  if (!backends.includes(backend)) {
    throw new ConfigError('bench-backend', `bench: wanted the backend ${backends.join(', ')}, got '${backend}'.`)
  }
  if (values.threads !== undefined && !threaded.includes(backend)) {
    throw new ConfigError('bench-threads', `bench: the ${backend} backend has no --threads; leave it out.`)
  }
  const whole = (name: string, text: string) => {
    const n = Number(text)
    if (Number.isInteger(n) && n > 0) return n
    throw new ConfigError('bench-number', `bench: wanted a whole number above 0 for --${name}, got '${text}'.`)
  }
  const threads = whole('threads', values.threads ?? '2')
  return { names: positionals, backend, threads, budget: whole('budget', values.budget), json, list, help }
}

/** Those whose name begins with one of `names`; all where there are none. */
export function chosenOf(benches: readonly Bench[], names: readonly string[]): Bench[] {
  for (const name of names) {
    if (benches.some((bench) => bench.name.startsWith(name))) continue
    throw new ConfigError('bench-name', `bench: no bench begins with '${name}'; see --list.`)
  }
  return benches.filter(({ name }) => !names.length || names.some((begin) => name.startsWith(begin)))
}
