import { numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { Command, Option } from 'commander'
import { trainChar } from './train.ts'

const INFINITE = Number.POSITIVE_INFINITY

/** `filature-train char` */
export function charCommand(): Command {
  const command = new Command('char')
    .description('Train a character model on a text: a modern LSTM, or the classic character RNN.')
    .option('--text <file>', 'UTF-8 text to learn from (default: Pride and Prejudice)')
    .option('--out <dir>', 'folder for checkpoints and metrics (default: runs/NAME of the text)')
    .option('--resume <dir>', 'go on with a run, bit for bit, from its newest checkpoint')
    .addOption(
      new Option('--preset <name>', 'modern (LSTM, AdamW) or classic (min-char-rnn)').choices(['modern', 'classic']),
    )
    .option('--minutes <n>', 'train for about that long (default: 1)', numberWithin(0.01, INFINITE))
    .option('--steps <n>', 'train for that many steps in all instead', wholeNumber(1))
    .option('--seed <n>', 'of the initial weights and the samples (default: 1)', wholeNumber(0))
    .option('--hidden <n>', 'units of the network', wholeNumber(1))
    .option('--embedding <n>', 'width of the characters', wholeNumber(1))
    .option('--layers <n>', 'LSTM layers', wholeNumber(1))
    .option('--dropout <rate>', 'between layers', numberWithin(0, 0.99))
    .option('--batch <n>', 'parallel streams of text', wholeNumber(1))
    .option('--length <n>', 'characters of a step, through which the gradient goes back', wholeNumber(1))
    .option('--lr <rate>', 'learning rate', numberWithin(0, INFINITE))
    .option('--held-out <part>', 'part at the end of the text to test on', numberWithin(0, 0.5))
    .option('--evaluate-every <steps>', 'steps between tests', wholeNumber(1))
    .option('--sample-every <steps>', 'steps between samples (classic: 100; modern: with each test)', wholeNumber(1))
    .option('--save-every <steps>', 'steps between checkpoints', wholeNumber(1))
  return withBackend(command).action(async (options) => {
    const { reason } = await trainChar(options)
    if (reason === 'stopped') process.exitCode = 130
  })
}
