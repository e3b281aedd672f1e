import { build, buildNative } from './build.mjs'
import { install } from './install.mjs'
import { at } from './root.mjs'
import { node } from './spawn.mjs'

/** The main job: train the character RNN on a novel, then write with it. Arguments go to `filature-train`. */
export async function run(args) {
  await install()
  build('@filature/train-app')
  buildNative()
  return node([at('apps/train/dist/cli.js'), ...(args.length > 0 ? args : ['char'])])
}
