// Compiles the addon for this machine: node scripts/build.mjs [--sanitize address,undefined]
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)

/** node-gyp's script: ours, or the one that npm brings. */
function nodeGyp() {
  try {
    return require.resolve('node-gyp/bin/node-gyp.js')
  } catch {
    const npm =
      process.env.npm_config_node_gyp ??
      join(dirname(process.execPath), '../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js')
    return existsSync(npm) ? npm : undefined
  }
}

/** Builds into build/Release; returns the exit code. */
export function build({ sanitize = '', directory = here } = {}) {
  const script = nodeGyp()
  if (!script) {
    console.error(
      '@filature/backend-native: building needs node-gyp; install it (npm install -g node-gyp), a C++ compiler and make.',
    )
    return 1
  }
  const prefix = join(dirname(process.execPath), '..')
  // Node's own headers where they lie beside it: no download
  const headers = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : []
  const args = [
    script,
    'rebuild',
    '--jobs',
    'max',
    '--silent',
    ...headers,
    ...(sanitize ? ['--', `-Dsanitize=${sanitize}`] : []),
  ]
  const { status } = spawnSync(process.execPath, args, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) {
    console.error(
      '@filature/backend-native: the build failed; it needs a C++20 compiler (GCC 12, Clang 15 or later), make and Python 3 (Debian: apt-get install g++ make python3).',
    )
  }
  return status ?? 1
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) {
  const at = process.argv.indexOf('--sanitize')
  process.exit(build({ sanitize: at > 0 ? process.argv[at + 1] : '' }))
}
