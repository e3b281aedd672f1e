import { prepare, runCommandLine } from './command-line.mjs'
import { at } from './root.mjs'

const NEXT = `
To try next:
  npm run infer -- char --prompt "Elizabeth " --temperature 0.5     write again, from another beginning
  npm start -- char --minutes 10                                    train longer: it spells better every minute
  npm start -- char --text FILE                                     learn from a text of your own (UTF-8)
  npm start -- char --preset classic                                the classic character RNN, step by step
  npm start -- char --help                                          its other options
  npm start -- --help                                               what else there is to train`

const train = at('apps/train/dist/cli.js')
const infer = at('apps/infer/dist/cli.js')

/** The main job: train a character model on a novel, then write with it. Arguments go to `filature-train`. */
export async function run(args) {
  if (args.length > 0) {
    await prepare(['@filature/train-app'], args)
    return runCommandLine(train, args)
  }
  await prepare(['@filature/train-app', '@filature/infer-app'], args)
  const code = await runCommandLine(train, ['char'])
  if (code !== 0) return code
  console.log('\nA paragraph from it:\n')
  const written = await runCommandLine(infer, ['char', '--prompt', 'It is a truth '])
  if (written === 0) console.log(NEXT)
  return written
}
