import { wholeNumber } from '@filature/command-line'
import { attentionKinds } from '@filature/recurrent'
import { Command } from 'commander'
import { choice, number, trains, whole, withRun, withShape } from '../run/options.ts'
import { compareTranslators, MINUTES } from './compare.ts'
import { usualInWords } from './recipe.ts'
import { type TranslateOptions, trainTranslate, usual } from './train.ts'

/** `filature-train translate` */
export function translateCommand(): Command {
  const command = new Command('translate')
    .description('Train a translator on sentence pairs; tests it by BLEU against translating word for word.')
    .option(
      '--data <file>',
      `pairs, one a line (source, tab, target), or de-en, en-es or es-en once fetched (default: ${usual.data})`,
    )
    .option('--reverse', 'translate from the second language of the file to the first')
    .option('--max-words <n>', `leave longer sentences out (default: ${usual.maxWords})`, wholeNumber(1))
  withRun(command, {
    folder: 'runs/translate-NAME',
    length: { minutes: usual.minutes },
    seed: 'of weights, order and held-out sentences',
  })
  const { inputFeeding: _, ...inWords } = usualInWords
  withShape(command, inWords, {
    model: choice('<kind>', 'the network', ['gru', 'lstm', 'transformer']),
    attention: choice('<kind>', 'of gru and lstm', attentionKinds),
    positions: choice('<kind>', 'of the transformer', ['sinusoidal', 'learned']),
    heads: whole('<n>', 'of the transformer'),
    width: whole('<n>', 'width of the model', 2),
    embedding: whole('<n>', 'width of the embeddings of gru and lstm'),
    layers: whole('<n>', 'of encoder and decoder'),
    vocab: whole('<n>', 'tokens of both languages together', 260),
    dropout: number('<rate>', 'of embeddings and layers', 0, 0.99),
    labelSmoothing: number('<part>', 'part of a label that all tokens share', 0, 0.99),
    batch: whole('<n>', 'pairs of a step'),
    lr: number('<rate>', 'highest learning rate', 0),
  })
  command
    .option('--input-feeding', 'each step of gru or lstm reads the attentional state before it (slower)')
    .option('--test <n>', `pairs held out to test, and as many to validate (default: ${usual.test})`, wholeNumber(1))
    .option('--beams <n>', `of the test; 1 is greedy (default: ${usual.beams})`, wholeNumber(1))
    .option(
      '--compare',
      `train each attention and each kind of positions for --minutes (default: ${MINUTES}) or --steps; print one table`,
    )
  const train = ({ compare, ...options }: TranslateOptions & { compare?: boolean }) =>
    compare ? compareTranslators(options) : trainTranslate(options)
  return trains(command, train, { tests: 'looks at the validation pairs', every: 'a tenth of the run' })
}
