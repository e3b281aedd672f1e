import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { at } from './root.mjs'
import { node } from './spawn.mjs'

const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' }

/** Builds packages and what they depend on; what did not change comes from turbo's cache. */
export async function build(...filters) {
  const args = filters.map((filter) => `--filter=${filter}`)
  const code = await node([at('node_modules/turbo/bin/turbo'), 'run', 'build', '--output-logs=errors-only', ...args], {
    env,
  })
  if (code !== 0) throw new Error(`Filature: the build failed (exit code ${code}); see the lines above.`)
}

/**
 * Compiles what is not JavaScript: the `build:native` script of each package that has one. Where a compiler is missing
 * the script says what to install; that backend is then absent, which its tests report, or refuse under
 * REQUIRE_BACKENDS.
 */
export async function buildNative() {
  const wanted = readdirSync(at('packages')).some((name) => {
    const manifest = at(`packages/${name}/package.json`)
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).scripts?.['build:native'] !== undefined
  })
  if (!wanted) return
  const code = await node([at('node_modules/turbo/bin/turbo'), 'run', 'build:native', '--output-logs=new-only'], {
    env,
  })
  if (code !== 0) console.log('No native build; going on without it.')
}
