import { build, buildNative } from './build.mjs'
import { install } from './install.mjs'
import { at } from './root.mjs'
import { program } from './spawn.mjs'

const NEXT = `
To try next:
  npm run infer -- char --prompt "Elizabeth " --temperature 0.5     write again, from another beginning
  npm start -- char --minutes 10                                    train longer: it spells better every minute
  npm start -- char --text FILE                                     learn from a text of your own (UTF-8)
  npm start -- char --preset classic                                the classic character RNN, step by step
  npm start -- char --help                                          its other options
  npm start -- --help                                               what else there is to train`

/** The main job: train a character model on a novel, then write with it. Arguments go to `filature-train`. */
export async function run(args) {
  await install()
  build('@filature/train-app')
  if (args.length === 0) build('@filature/infer-app')
  buildNative()
  const train = at('apps/train/dist/cli.js')
  if (args.length > 0) return program(train, args)
  const code = await program(train, ['char'])
  if (code !== 0) return code
  console.log('\nA paragraph from it:\n')
  const written = await program(at('apps/infer/dist/cli.js'), ['char', '--prompt', 'It is a truth '])
  if (written === 0) console.log(NEXT)
  return written
}
