import { wholeNumber } from '@filature/command-line'
import { Command } from 'commander'
import { number, trains, whole, withRun, withShape } from '../run/options.ts'
import { usualShape } from './recipe.ts'
import { EPOCHS, trainVit } from './train.ts'

/** `filature-train vit` */
export function vitCommand(): Command {
  const command = new Command('vit')
    .description('Train a Vision Transformer on Fashion-MNIST; tests it and draws which classes it confuses.')
    .option('--data <dir>', "folder of the four IDX files (default: Debian's, or where the fetch script puts them)")
  withRun(command, {
    folder: 'runs/fashion-mnist',
    length: { epochs: EPOCHS, of: 'the training images' },
    seed: 'of weights, order and alterations',
  })
  withShape(command, usualShape, {
    patch: whole('<pixels>', 'side of a patch; must divide 28'),
    dim: whole('<n>', 'width of the model'),
    depth: whole('<n>', 'blocks'),
    heads: whole('<n>', 'heads of attention; must divide the width'),
    mlp: whole('<n>', 'width of the feed-forward layers'),
    dropout: number('<rate>', 'of embeddings, attention and feed-forward layers', 0, 0.99),
    batch: whole('<n>', 'images of a step'),
    lr: number('<rate>', 'highest learning rate', 0),
    weightDecay: number('<rate>', 'of matrices', 0),
    shift: whole('<pixels>', 'how far training images move at most', 0),
    labelSmoothing: number('<part>', 'part of a label that all classes share', 0, 0.99),
  })
  command.option(
    '--validation <n>',
    'training images held out to see by which checkpoint is the best (default: a twelfth)',
    wholeNumber(0),
  )
  return trains(command, trainVit, { tests: 'looks at them', every: 'an epoch' })
}
