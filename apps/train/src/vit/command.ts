import { numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { Command } from 'commander'
import { usualShape } from './recipe.ts'
import { trainVit } from './train.ts'

const INFINITE = Number.POSITIVE_INFINITY

/** `filature-train vit` */
export function vitCommand(): Command {
  const usual = (key: keyof typeof usualShape) => `(default: ${usualShape[key]})`
  const command = new Command('vit')
    .description('Train a Vision Transformer on Fashion-MNIST; tests it and draws which classes it confuses.')
    .option('--data <dir>', "folder of the four IDX files (default: Debian's, or where the fetch script puts them)")
    .option('--out <dir>', 'folder for checkpoints and metrics (default: runs/fashion-mnist)')
    .option('--resume <dir>', 'go on with a run, bit for bit, from its newest checkpoint')
    .option('--epochs <n>', 'times that the training images are seen (default: 10)', numberWithin(0, INFINITE))
    .option('--minutes <n>', 'train for about that long instead', numberWithin(0.01, INFINITE))
    .option('--steps <n>', 'train for that many steps in all instead', wholeNumber(1))
    .option('--seed <n>', 'of weights, order and alterations (default: 1)', wholeNumber(0))
    .option('--patch <pixels>', `side of a patch; must divide 28 ${usual('patch')}`, wholeNumber(1))
    .option('--dim <n>', `width of the model ${usual('dim')}`, wholeNumber(1))
    .option('--depth <n>', `blocks ${usual('depth')}`, wholeNumber(1))
    .option('--heads <n>', `heads of attention ${usual('heads')}`, wholeNumber(1))
    .option('--mlp <n>', `width of the feed-forward layers ${usual('mlp')}`, wholeNumber(1))
    .option('--dropout <rate>', usual('dropout'), numberWithin(0, 0.99))
    .option('--batch <n>', `images of a step ${usual('batch')}`, wholeNumber(1))
    .option('--lr <rate>', `highest learning rate ${usual('lr')}`, numberWithin(0, INFINITE))
    .option('--weight-decay <rate>', usual('weightDecay'), numberWithin(0, INFINITE))
    .option('--shift <pixels>', `how far training images move at most ${usual('shift')}`, wholeNumber(0))
    .option('--label-smoothing <part>', usual('labelSmoothing'), numberWithin(0, 0.99))
    .option('--validation <n>', 'training images held out to choose the best checkpoint by', wholeNumber(0))
    .option('--evaluate-every <steps>', 'steps between looks at them (default: an epoch)', wholeNumber(1))
    .option('--save-every <steps>', 'steps between checkpoints (default: an epoch)', wholeNumber(1))
  return withBackend(command).action(async (options) => {
    const { reason } = await trainVit(options)
    if (reason === 'stopped') process.exitCode = 130
  })
}
