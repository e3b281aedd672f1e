// Compiles the addon for this machine, where it is older than its sources: node scripts/build.mjs [--force]
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)

/** node-gyp's script: ours, the one that started us, or the one that npm brings. */
function nodeGyp() {
  try {
    return require.resolve('node-gyp/bin/node-gyp.js')
  } catch {
    const npm = join(dirname(process.execPath), '../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js')
    return [process.env.npm_config_node_gyp, npm].find((path) => path && existsSync(path))
  }
}

const newest = (path) =>
  statSync(path).isDirectory()
    ? Math.max(...readdirSync(path).map((name) => newest(join(path, name))))
    : statSync(path).mtimeMs

function isFresh(directory) {
  const addon = join(directory, 'build/Release/filature_native.node')
  if (!existsSync(addon)) return false
  return statSync(addon).mtimeMs > Math.max(newest(join(directory, 'native')), newest(join(directory, 'binding.gyp')))
}

/** Holds `fn` back while another process builds in the same directory. */
function alone(directory, fn) {
  const lock = join(directory, 'build/.building')
  mkdirSync(dirname(lock), { recursive: true })
  for (;;) {
    try {
      mkdirSync(lock)
      break
    } catch {
      // a lock older than ten minutes was left by a build that was killed
      if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 600_000)
        rmSync(lock, { recursive: true, force: true })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
    }
  }
  try {
    return fn()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

/** Builds into build/Release; returns the exit code. */
export function build({ force = false, sanitize = '', directory = here } = {}) {
  return alone(directory, () => {
    if (!force && !sanitize && isFresh(directory)) return 0
    const script = nodeGyp()
    if (!script) {
      console.error(
        '@filature/backend-native: building needs node-gyp (npm install -g node-gyp), a C++20 compiler and make.',
      )
      return 1
    }
    const prefix = join(dirname(process.execPath), '..')
    // Node's own headers where they lie beside it: no download
    const headers = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : []
    const options = sanitize ? ['--', `-Dsanitize=${sanitize}`] : []
    const run = (command, more) =>
      spawnSync(process.execPath, [script, command, '--silent', ...headers, ...more], {
        cwd: directory,
        stdio: ['ignore', 'ignore', 'inherit'],
      }).status ?? 1
    const code = run('configure', options) || run('build', ['--jobs', 'max'])
    if (code !== 0) {
      console.error(
        '@filature/backend-native: the build failed; it needs a C++20 compiler (GCC 12, Clang 15 or later), make and ' +
          'Python 3 (Debian: apt-get install g++ make python3).',
      )
    }
    return code
  })
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) {
  process.exit(build({ force: process.argv.includes('--force') }))
}
