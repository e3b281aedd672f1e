import { numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { attentionKinds } from '@filature/recurrent'
import { Command, Option } from 'commander'
import { withIntervals, withRun } from '../run/options.ts'
import { compareTranslators } from './compare.ts'
import { trainTranslate } from './train.ts'

/** `filature-train translate` */
export function translateCommand(): Command {
  const command = new Command('translate')
    .description('Train a translator on sentence pairs; tests it by BLEU against translating word for word.')
    .option(
      '--data <file>',
      'pairs, one a line (source, tab, target), or de-en, en-es or es-en once fetched (default: es-en)',
    )
    .option('--reverse', 'translate from the second language of the file to the first')
    .option('--max-words <n>', 'leave longer sentences out (default: 30)', wholeNumber(1))
  withRun(command, {
    folder: 'runs/translate-NAME',
    length: { minutes: 45 },
    seed: 'of weights, order and held-out sentences',
  })
  command
    .addOption(new Option('--model <kind>', '(default: gru)').choices(['gru', 'lstm', 'transformer']))
    .addOption(new Option('--attention <kind>', 'of gru and lstm (default: general)').choices(attentionKinds))
    .option('--input-feeding', 'each step of gru or lstm reads the attentional state before it (slower)')
    .addOption(
      new Option('--positions <kind>', 'of the transformer (default: sinusoidal)').choices(['sinusoidal', 'learned']),
    )
    .option('--heads <n>', 'of the transformer (default: 4)', wholeNumber(1))
    .option('--width <n>', 'width of the model (default: 256)', wholeNumber(2))
    .option('--embedding <n>', 'width of the embeddings of gru and lstm (default: 256)', wholeNumber(1))
    .option('--layers <n>', 'of encoder and decoder (default: 1, of the transformer 3)', wholeNumber(1))
    .option('--vocab <n>', 'tokens of both languages together (default: 3000)', wholeNumber(260))
    .option('--dropout <rate>', '(default: 0.35)', numberWithin(0, 0.99))
    .option('--label-smoothing <part>', '(default: 0.1)', numberWithin(0, 0.99))
    .option('--batch <n>', 'pairs of a step (default: 32)', wholeNumber(1))
    .option('--lr <rate>', 'highest learning rate (default: 0.002, of the transformer 0.0015)', numberWithin(0))
    .option('--test <n>', 'pairs held out to test, and as many to validate (default: 500)', wholeNumber(1))
    .option('--beams <n>', 'of the test; 1 is greedy (default: 4)', wholeNumber(1))
  withIntervals(command, { evaluate: 'looks at the validation pairs', save: 'checkpoints' }).option(
    '--compare',
    'train each attention and each kind of positions for --minutes (default: 3) or --steps; print one table',
  )
  return withBackend(command).action(async ({ compare, ...options }) => {
    const { reason } = await (compare ? compareTranslators(options) : trainTranslate(options))
    if (reason === 'stopped') process.exitCode = 130
  })
}
