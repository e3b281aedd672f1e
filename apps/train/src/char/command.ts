import { wholeNumber } from '@filature/command-line'
import { Command, Option } from 'commander'
import { number, trains, whole, withRun, withShape } from '../run/options.ts'
import { usualInWords } from './settings.ts'
import { CLASSIC_SAMPLES, MINUTES, trainChar } from './train.ts'

/** `filature-train char` */
export function charCommand(): Command {
  const command = new Command('char')
    .description('Train a character model on a text: a modern LSTM, or the classic character RNN.')
    .option('--text <file>', 'UTF-8 text to learn from (default: Pride and Prejudice)')
    .addOption(
      new Option('--preset <name>', 'modern (LSTM, AdamW) or classic (min-char-rnn) (default: modern)').choices([
        'modern',
        'classic',
      ]),
    )
  withRun(command, {
    folder: 'runs/NAME of the text',
    length: { minutes: MINUTES },
    seed: 'of the initial weights and the samples',
  })
  withShape(command, usualInWords, {
    hidden: whole('<n>', 'units of the network'),
    embedding: whole('<n>', 'width of the characters'),
    layers: whole('<n>', 'LSTM layers'),
    dropout: number('<rate>', 'between layers, where there are several', 0, 0.99),
    batch: whole('<n>', 'parallel streams of text'),
    length: whole('<n>', 'characters of a step, through which the gradient goes back'),
    lr: number('<rate>', 'highest learning rate', 0),
    heldOut: number('<part>', 'part at the end of the text to test on', 0, 0.5),
  })
  command.option(
    '--sample-every <steps>',
    `steps between samples (default: with each test, classic ${CLASSIC_SAMPLES})`,
    wholeNumber(1),
  )
  return trains(command, trainChar)
}
