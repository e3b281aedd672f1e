import { wholeNumber } from '@filature/command-line'
import { Command } from 'commander'
import { number, trains, whole, withRun, withShape } from '../run/options.ts'
import { usualShape } from './recipe.ts'
import { trainVit } from './train.ts'

/** `filature-train vit` */
export function vitCommand(): Command {
  const command = new Command('vit')
    .description('Train a Vision Transformer on Fashion-MNIST; tests it and draws which classes it confuses.')
    .option('--data <dir>', "folder of the four IDX files (default: Debian's, or where the fetch script puts them)")
  withRun(command, {
    folder: 'runs/fashion-mnist',
    length: { epochs: 10, of: 'the training images' },
    seed: 'of weights, order and alterations',
  })
  withShape(command, usualShape, {
    patch: whole('<pixels>', 'side of a patch; must divide 28'),
    dim: whole('<n>', 'width of the model'),
    depth: whole('<n>', 'blocks'),
    heads: whole('<n>', 'heads of attention'),
    mlp: whole('<n>', 'width of the feed-forward layers'),
    dropout: number('<rate>', '', 0, 0.99),
    batch: whole('<n>', 'images of a step'),
    lr: number('<rate>', 'highest learning rate', 0),
    weightDecay: number('<rate>', '', 0),
    shift: whole('<pixels>', 'how far training images move at most', 0),
    labelSmoothing: number('<part>', '', 0, 0.99),
  })
  command.option(
    '--validation <n>',
    'training images held out to choose the best checkpoint by (default: a twelfth)',
    wholeNumber(0),
  )
  return trains(command, trainVit, {
    evaluate: 'looks at them (default: an epoch)',
    save: 'checkpoints (default: an epoch)',
  })
}
