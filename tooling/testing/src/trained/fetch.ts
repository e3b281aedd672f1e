import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../../../../.cache/trained', import.meta.url))

/** A registry cannot be reached, or its client is not there: what a test shows as skipped. */
class Unreachable extends Error {}

/** What `fetch` gives, or why its files cannot be had. A file that is not the one wanted throws. */
export function fetchedOr<T>(fetch: () => T): T | string {
  try {
    return fetch()
  } catch (error) {
    if (error instanceof Unreachable) return error.message
    throw error
  }
}

/** The file's SHA-256 by its path in the package. */
export type Wanted = Readonly<Record<string, string>>

/** Files of an npm package, fetched once into the repository's .cache. */
export function npmFiles(name: string, version: string, wanted: Wanted): Record<string, Uint8Array> {
  return kept(`${name}-${version}`, wanted, (folder) => {
    client(folder, 'npm', ['pack', `${name}@${version}`])
    client(folder, 'tar', ['-xzf', only(folder, '.tgz'), '--strip-components=1'])
  })
}

/** Files of a Debian package of whatever version this machine's lists have, fetched once into the repository's .cache. */
export function debianFiles(name: string, wanted: Wanted): Record<string, Uint8Array> {
  return kept(name, wanted, (folder) => {
    client(folder, 'apt-get', ['download', name])
    client(folder, 'dpkg-deb', ['-x', only(folder, '.deb'), '.'])
  })
}

/** What of onnxruntime-node the tests call. */
export interface Onnxruntime {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: { intraOpNumThreads: number },
    ): Promise<{ run(feeds: Record<string, object>): Promise<Record<string, OnnxOutput>> }>
  }
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => object
}

export interface OnnxOutput {
  readonly data: Float32Array
  readonly dims: readonly number[]
}

/** onnxruntime-node 1.22.0 (MIT), installed once into the repository's .cache without its scripts (260 MB). */
export function onnxruntime(): Onnxruntime {
  const target = join(cache, 'onnxruntime-node-1.22.0')
  if (!existsSync(target)) {
    placed(target, (folder) => {
      writeFileSync(join(folder, 'package.json'), '{ "private": true }')
      client(folder, 'npm', ['install', '--ignore-scripts', '--no-save', 'onnxruntime-node@1.22.0'])
    })
  }
  return createRequire(join(target, 'from-here.js'))('onnxruntime-node') as Onnxruntime
}

/**
 * node_modules with node-llama-cpp 3.22.1 (MIT), its binaries for Linux on x64 and koffi (MIT), which calls them: installed
 * once into the repository's .cache without scripts (115 MB).
 */
export function llamaCppModules(): { readonly path: string } {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Unreachable('llama.cpp: wanted Linux on x64')
  const target = join(cache, 'node-llama-cpp-3.22.1')
  if (!existsSync(target)) {
    placed(target, (folder) => {
      writeFileSync(join(folder, 'package.json'), '{ "private": true }')
      const packages = ['node-llama-cpp@3.22.1', '@node-llama-cpp/linux-x64@3.22.1', 'koffi@2.16.3']
      client(folder, 'npm', ['install', '--ignore-scripts', '--no-save', '--omit=optional', ...packages])
    })
  }
  return { path: join(target, 'node_modules') }
}

function kept(name: string, wanted: Wanted, fetch: (folder: string) => void): Record<string, Uint8Array> {
  const target = join(cache, name)
  const read = (folder: string) =>
    Object.fromEntries(
      Object.entries(wanted).map(([path, hash]) => {
        const bytes = readFileSync(join(folder, path))
        const got = createHash('sha256').update(bytes).digest('hex')
        if (got !== hash) throw new Error(`${name}: ${path} is another file than the test wants: SHA-256 ${got}`)
        return [path, bytes]
      }),
    )
  if (!existsSync(target)) {
    placed(target, (folder) => {
      fetch(folder)
      read(folder)
    })
  }
  return read(target)
}

/** Fills a folder beside the target, which takes its place when all went well. */
function placed(target: string, fill: (folder: string) => void): void {
  mkdirSync(dirname(target), { recursive: true })
  const folder = mkdtempSync(`${target}-`)
  try {
    fill(folder)
    if (!existsSync(target)) renameSync(folder, target) // another process may have been faster
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function only(folder: string, ending: string): string {
  return readdirSync(folder).find((file) => file.endsWith(ending))!
}

function client(cwd: string, program: string, args: string[]): void {
  try {
    execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], timeout: 600_000, encoding: 'utf8' })
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    const lines = (stderr || message).trim().split('\n')
    const said = lines.find((line) => /error |^E:/.test(line)) ?? lines.at(-1)
    throw new Unreachable(`${program} ${args.join(' ')}: ${said}`)
  }
}
