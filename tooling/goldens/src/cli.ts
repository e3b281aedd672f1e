import { existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { BACKENDS } from '@filature/testing'
import { casesOf } from './fixture.ts'
import { HEADER, notesOf, rowOf } from './report.ts'
import { runBackend } from './run-backend.ts'
import type { CaseResult } from './run-case.ts'

const HELP = `npm run goldens -- --dir DIR [--backend NAME] [--case GLOB] [--json]

Runs every golden case of a folder through the packages and prints one row a case.

  --dir DIR        folder of NAME.json and NAME.safetensors
  --backend NAME   cpu, wasm, native, webgpu or float64 (double precision); several with commas; default: all at hand
  --case GLOB      only cases whose name matches, such as 'llama_*'
  --json           print the results as JSON instead
  --packages DIR   where to look for NAME/goldens/adapter.ts; default: this project's packages

Exits 1 if a case fails or has no adapter, or if a backend named by --backend cannot run.`

const DEFAULT_BACKENDS = [...BACKENDS, 'float64']

class Refusal extends Error {}

function optionsOf(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      dir: { type: 'string' },
      backend: { type: 'string' },
      case: { type: 'string' },
      packages: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  if (!values.dir) throw new Refusal(`goldens: name the folder of cases with --dir DIR.\n\n${HELP}`)
  const directory = resolve(process.env.INIT_CWD ?? '.', values.dir)
  if (!existsSync(directory)) throw new Refusal(`goldens: there is no folder ${directory}.`)
  const backends = values.backend?.split(',') ?? DEFAULT_BACKENDS
  const unknown = backends.filter((name) => !DEFAULT_BACKENDS.includes(name))
  if (unknown.length) throw new Refusal(`goldens: wanted --backend of ${DEFAULT_BACKENDS.join(', ')}; got ${unknown}.`)
  const cases = casesOf(directory).filter(globOf(values.case ?? '*'))
  if (!cases.length) throw new Refusal(`goldens: no case in ${directory} matches ${values.case ?? '*'}.`)
  const packages = values.packages && `${resolve(process.env.INIT_CWD ?? '.', values.packages)}/`
  return { ...values, directory, backends, named: values.backend !== undefined, cases, packages }
}

/** A test of names in which * stands for any characters and ? for one. */
function globOf(glob: string): (name: string) => boolean {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  const pattern = new RegExp(`^${source}$`)
  return (name) => pattern.test(name)
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2))
  if (!options) {
    console.log(HELP)
    return 0
  }
  const { directory, backends, cases, packages } = options
  const say = (line: string) => options.json || console.log(line)
  const results: CaseResult[] = []
  const withoutAdapter = new Set<string>()
  /** By where they arose, each told once. */
  const problems = new Map<string, string>()
  const unavailable: { backend: string; reason: string }[] = []

  say(HEADER)
  for (const backend of backends) {
    await runBackend({ directory, backend, cases, packages }, (message) => {
      if (message.kind === 'result') {
        results.push(message.result)
        say(rowOf(message.result))
        for (const line of notesOf(message.result)) say(line)
      } else if (message.kind === 'no-adapter') {
        withoutAdapter.add(message.case)
      } else if (message.kind === 'unavailable') {
        unavailable.push({ backend, reason: message.reason })
        if (options.named) problems.set(`backend ${backend} cannot run`, message.reason)
      } else if (message.kind === 'crash') {
        problems.set(backend, message.error)
      } else {
        for (const broken of message.broken) problems.set(`adapters of ${broken.package}`, broken.error)
      }
    })
  }

  const unused = options.case ? [] : unclaimedFiles(directory, results)
  if (!results.length && !withoutAdapter.size) problems.set('backends', 'none could run')
  const failed = results.filter((result) => !result.pass)
  const pass = !failed.length && !withoutAdapter.size && !problems.size
  const told = [...problems].map(([where, what]) => `${where}: ${what}`)
  if (options.json) {
    const report = { pass, results, withoutAdapter: [...withoutAdapter], unavailable, problems: told, unused }
    console.log(JSON.stringify(report, null, 1))
  } else {
    for (const { backend, reason } of unavailable) say(`skipped ${backend}: ${reason}`)
    for (const name of withoutAdapter) say(`no adapter: ${name}`)
    for (const problem of told) say(`problem: ${problem}`)
    for (const file of unused) say(`note: no case uses the file ${file}`)
    say(
      `${results.length - failed.length} of ${results.length} rows pass, ${withoutAdapter.size} cases without adapter`,
    )
  }
  return pass ? 0 : 1
}

/** Files of the folder that no case is named after and none asked for. */
function unclaimedFiles(directory: string, results: readonly CaseResult[]): string[] {
  const cases = new Set(casesOf(directory))
  const used = new Set(results.flatMap((result) => result.files))
  return readdirSync(directory).filter((file) => {
    const [, name, extension] = /^(.*)\.([^.]*)$/.exec(file) ?? [file, file, '']
    if (extension === 'md' || file.startsWith('.') || used.has(file)) return false
    return !(cases.has(name!) && (extension === 'json' || extension === 'safetensors'))
  })
}

main()
  .catch((error) => {
    console.error(error instanceof Refusal ? error.message : error)
    return 1
  })
  .then((code) => process.exit(code))
