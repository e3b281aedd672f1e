import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { at } from './root.mjs'
import { node, run } from './spawn.mjs'

const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined)

/** Installs dependencies by the lockfile where they are missing or stale, and tells so on standard error; throws where that fails. */
export async function install() {
  const reason = stale()
  if (!reason) return
  console.error(`Installing dependencies (${reason}) ...`)
  const code = await pnpm(['install', '--frozen-lockfile', '--prefer-offline'])
  if (code !== 0) {
    throw new Error(
      `Filature: installing dependencies failed (exit code ${code}); see the lines above. It needs npm's registry.`,
    )
  }
}

/** Why dependencies must be installed, or undefined where they are up to date. */
function stale() {
  const installed = read(at('node_modules/.pnpm/lock.yaml'))
  if (installed === undefined) return 'none yet'
  if (installed !== read(at('pnpm-lock.yaml'))) return 'the lockfile changed'
  const state = read(at('node_modules/.pnpm-workspace-state-v1.json'))
  if (state === undefined) return 'the last installation did not finish'
  const { lastValidatedTimestamp } = JSON.parse(state)
  const changed = manifests().find((path) => statSync(path).mtimeMs > lastValidatedTimestamp)
  return changed && `${changed} changed`
}

function manifests() {
  const folders = ['packages', 'apps', 'tooling'].flatMap((parent) =>
    readdirSync(at(parent)).map((name) => join(at(parent), name)),
  )
  return [
    at('package.json'),
    at('pnpm-workspace.yaml'),
    ...folders.map((folder) => join(folder, 'package.json')),
  ].filter((path) => existsSync(path))
}

/** Runs the pnpm that package.json pins: the one on the path where it is that version, otherwise through npx. */
export async function pnpm(args) {
  const { packageManager } = JSON.parse(readFileSync(at('package.json'), 'utf8'))
  const wanted = packageManager.split('+')[0]
  const windows = process.platform === 'win32'
  const here = spawnSync('pnpm', ['--version'], { cwd: at('.'), encoding: 'utf8', shell: windows })
  if (here.status === 0 && `pnpm@${here.stdout.trim()}` === wanted)
    return run('pnpm', args, { shell: windows, asNotes: true })
  const npx = npxScript()
  const rest = ['--yes', wanted, ...args]
  return npx ? node([npx, ...rest], { asNotes: true }) : run('npx', rest, { shell: windows, asNotes: true })
}

/** npx as a script, so that it runs on this very Node and without a shell; undefined where npm did not start us. */
export function npxScript() {
  const npm = process.env.npm_execpath
  const script = npm && join(dirname(npm), 'npx-cli.js')
  return script && existsSync(script) ? script : undefined
}
