import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import { at } from './root.mjs'

/** Builds a package and what it depends on; what did not change comes from turbo's cache. */
export function build(name) {
  const { code, output } = turbo('build', `--filter=${name}`)
  if (code === 0) return
  console.error(output)
  throw new Error(`Filature: the build failed (exit code ${code}); see the lines above.`)
}

/** Builds every package and app; whether that worked. */
export function buildEverything() {
  const { code, output } = turbo('build', '--continue', '--filter=./packages/*', '--filter=./apps/*')
  if (code !== 0) console.error(output)
  return code === 0
}

/**
 * Compiles what is not JavaScript: the `build:native` script of each package that has one. Where a compiler is missing
 * the script says what to install; that backend is then absent, which its tests report, or refuse under
 * REQUIRE_BACKENDS.
 */
export function buildNative() {
  const wanted = readdirSync(at('packages')).some((name) => {
    const manifest = at(`packages/${name}/package.json`)
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).scripts?.['build:native'] !== undefined
  })
  if (!wanted) return
  console.error('Compiling native code ...')
  const { code, output } = turbo('build:native')
  if (code !== 0) console.error(`${output}\nNo native build; going on without it.`)
}

/** Turbo's own lines are worth reading only where it fails. It runs each script with the pnpm that is installed here. */
function turbo(task, ...args) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [at('node_modules/turbo/bin/turbo'), 'run', task, '--output-logs=errors-only', ...args],
    {
      cwd: at('.'),
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      env: {
        ...process.env,
        PATH: `${at('node_modules/.bin')}${delimiter}${process.env.PATH}`,
        TURBO_TELEMETRY_DISABLED: '1',
        TURBO_NO_UPDATE_NOTIFIER: '1',
      },
    },
  )
  return { code: status ?? 1, output: `${stdout}${stderr}` }
}
