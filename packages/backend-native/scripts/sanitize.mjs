// Runs the package's tests with the address and undefined-behaviour sanitizers: node scripts/sanitize.mjs [vitest filters].
// About four minutes on two cores. The instrumented addon is built in a directory of its own.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const directory = join(tmpdir(), `filature-sanitized-${process.pid}`)
mkdirSync(directory, { recursive: true })
try {
  for (const name of ['native', 'binding.gyp', 'package.json'])
    cpSync(join(here, name), join(directory, name), { recursive: true })
  const code = build({ sanitize: 'address,undefined', directory })
  if (code !== 0) process.exit(code)
  const runtime = (name) => spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim()
  const { status } = spawnSync(
    process.execPath,
    [join(here, '../../node_modules/vitest/vitest.mjs'), 'run', ...process.argv.slice(2)],
    {
      cwd: here,
      stdio: 'inherit',
      env: {
        ...process.env,
        // where the package looks for its binary, by node-gyp-build's own variable
        '@FILATURE/BACKEND_NATIVE_PREBUILD': directory,
        FILATURE_NATIVE_POISON: '1',
        LD_PRELOAD: `${runtime('libasan.so')} ${runtime('libubsan.so')}`,
        // the engine keeps its memory to the end, and stands on the stack of its own code
        ASAN_OPTIONS: 'detect_leaks=0,allocator_may_return_null=1,use_sigaltstack=0',
        UBSAN_OPTIONS: 'halt_on_error=1,print_stacktrace=1',
      },
    },
  )
  process.exitCode = status ?? 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
