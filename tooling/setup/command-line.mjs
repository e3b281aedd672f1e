import { build, buildNative } from './build.mjs'
import { install } from './install.mjs'
import { node } from './spawn.mjs'

/** Installs and builds what command lines of ours need; help needs no native code. */
export async function prepare(apps, args) {
  await install()
  for (const app of apps) build(app)
  if (!asksForHelp(args)) buildNative()
}

export const asksForHelp = (args) => args[0] === 'help' || args.includes('--help') || args.includes('-h')

/** Runs a command line of ours, which then says how it is typed in a checkout: by these npm scripts. */
export const runCommandLine = (script, args) =>
  node([script, ...args], { env: { ...process.env, FILATURE_CHECKOUT: '1' } })
