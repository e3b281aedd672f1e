import { numberWithin, wholeNumber } from '@filature/command-line'
import { Command, Option } from 'commander'
import { trains, withRun } from '../run/options.ts'
import { trainChar } from './train.ts'

/** `filature-train char` */
export function charCommand(): Command {
  const command = new Command('char')
    .description('Train a character model on a text: a modern LSTM, or the classic character RNN.')
    .option('--text <file>', 'UTF-8 text to learn from (default: Pride and Prejudice)')
    .addOption(
      new Option('--preset <name>', 'modern (LSTM, AdamW) or classic (min-char-rnn)').choices(['modern', 'classic']),
    )
  withRun(command, {
    folder: 'runs/NAME of the text',
    length: { minutes: 1 },
    seed: 'of the initial weights and the samples',
  })
  command
    .option('--hidden <n>', 'units of the network', wholeNumber(1))
    .option('--embedding <n>', 'width of the characters', wholeNumber(1))
    .option('--layers <n>', 'LSTM layers', wholeNumber(1))
    .option('--dropout <rate>', 'between layers', numberWithin(0, 0.99))
    .option('--batch <n>', 'parallel streams of text', wholeNumber(1))
    .option('--length <n>', 'characters of a step, through which the gradient goes back', wholeNumber(1))
    .option('--lr <rate>', 'learning rate', numberWithin(0))
    .option('--held-out <part>', 'part at the end of the text to test on', numberWithin(0, 0.5))
    .option('--sample-every <steps>', 'steps between samples (classic: 100; modern: with each test)', wholeNumber(1))
  return trains(command, trainChar)
}
