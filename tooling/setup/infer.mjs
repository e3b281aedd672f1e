import { build, buildNative } from './build.mjs'
import { install } from './install.mjs'
import { at } from './root.mjs'
import { program } from './spawn.mjs'

/** Runs a trained model: arguments go to `filature-infer`. */
export async function run(args) {
  await install()
  build('@filature/infer-app')
  buildNative()
  return program(at('apps/infer/dist/cli.js'), args)
}
