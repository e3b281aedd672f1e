import { prepare, runCommandLine } from './command-line.mjs'
import { at } from './root.mjs'

/** Runs a trained model: arguments go to `filature-infer`. */
export async function run(args) {
  await prepare(['@filature/infer-app'], args)
  return runCommandLine(at('apps/infer/dist/cli.js'), args)
}
