import { existsSync } from 'node:fs'
import { install } from './install.mjs'
import { at } from './root.mjs'
import { node } from './spawn.mjs'

/** A TypeScript command of the workbench, straight from the sources: `script tooling/bench/src/cli.ts ...`. */
export async function run([script, ...args]) {
  if (!script || !existsSync(at(script))) throw new Error(`setup: wanted a script of this checkout, got "${script}".`)
  await install()
  return node(['--conditions=@filature/source', '--import', 'tsx', at(script), ...args])
}
