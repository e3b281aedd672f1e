import { activate, type BackendOptions, numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { generateIds } from '@filature/recurrent'
import { ConfigError, Rng } from '@filature/tensor'
import { Command } from 'commander'
import { nothingDrawn, seedOrAnother } from '../drawing.ts'
import { interruptible } from '../interrupt.ts'
import { newestRun, openCharModel } from './open-model.ts'

interface CharOptions extends BackendOptions {
  model?: string
  prompt?: string
  length: number
  temperature: number
  seed?: number
}

/** `filature-infer char` */
export function charCommand(): Command {
  const command = new Command('char')
    .description('Write with a character model, streaming; Ctrl-C ends the text.')
    .option('--model <dir>', 'folder of a run, or of one checkpoint (default: the newest of `char` in runs/)')
    .option('--prompt <text>', 'what the text begins with (default: a new line)')
    .option('--length <n>', 'characters to write', wholeNumber(1), 600)
    .option(
      '--temperature <t>',
      '1: the model as it is; less: bolder in its habits; 0: the likeliest',
      numberWithin(0, 100),
      0.7,
    )
    .option('--seed <n>', 'of the draws (default: another each time)', wholeNumber(0))
  return withBackend(command).action(write)
}

async function write(options: CharOptions): Promise<void> {
  await activate(options)
  const { model, vocabulary } = await openCharModel(options.model ?? (await newestRun()))
  const prompt = options.prompt ?? (vocabulary.has('\n') ? '\n' : vocabulary.characters[0]!)
  if (prompt === '') throw new ConfigError('prompt', '--prompt: wanted at least one character.')
  const ids = vocabulary.encode(prompt)
  const { length, temperature, seed } = options
  if (temperature === 0 && seed !== undefined) throw nothingDrawn('seed')
  const rng = new Rng(temperature === 0 ? 0 : seedOrAnother(seed))
  process.stdout.write(options.prompt ?? '')
  await interruptible(async (signal) => {
    for await (const id of generateIds(model, { prompt: ids, length, temperature, rng })) {
      process.stdout.write(vocabulary.decode([id]))
      if (signal.aborted) break
    }
    if (signal.aborted) process.exitCode = 130
  })
  process.stdout.write('\n')
  model[Symbol.dispose]()
}
