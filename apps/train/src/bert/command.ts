import { numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { Command } from 'commander'
import { usualShape } from './recipe.ts'
import { trainBert } from './train.ts'

const INFINITE = Number.POSITIVE_INFINITY

/** `filature-train bert` */
export function bertCommand(): Command {
  const usual = (key: keyof typeof usualShape) => `(default: ${usualShape[key]})`
  const command = new Command('bert')
    .description('Pretrain a BERT on the Brown corpus by masked words and next sentences.')
    .option('--data <dir>', 'folder of the Brown corpus (default: where the fetch script puts it)')
    .option('--out <dir>', 'folder for checkpoints and metrics (default: runs/bert-brown)')
    .option('--resume <dir>', 'go on with a run, bit for bit, from its newest checkpoint')
    .option('--minutes <n>', 'train for about that long (default: 10)', numberWithin(0.01, INFINITE))
    .option('--steps <n>', 'train for that many steps in all instead', wholeNumber(1))
    .option('--seed <n>', 'of weights, masks and order (default: 1)', wholeNumber(0))
    .option('--vocab <n>', `tokens of the tokenizer, at most ${usual('vocab')}`, wholeNumber(260))
    .option('--width <n>', `width of the model ${usual('width')}`, wholeNumber(1))
    .option('--layers <n>', `layers ${usual('layers')}`, wholeNumber(1))
    .option('--heads <n>', `heads of attention ${usual('heads')}`, wholeNumber(1))
    .option('--memory <n>', `width of the feed-forward layers ${usual('memory')}`, wholeNumber(1))
    .option('--dropout <rate>', usual('dropout'), numberWithin(0, 0.99))
    .option('--batch <n>', `pairs of a step ${usual('batch')}`, wholeNumber(1))
    .option('--length <n>', `tokens of a pair ${usual('length')}`, wholeNumber(8))
    .option('--lr <rate>', `highest learning rate ${usual('lr')}`, numberWithin(0, INFINITE))
    .option('--weight-decay <rate>', usual('weightDecay'), numberWithin(0, INFINITE))
    .option('--evaluate-every <steps>', 'steps between tests', wholeNumber(1))
    .option('--save-every <steps>', 'steps between checkpoints', wholeNumber(1))
  return withBackend(command).action(async (options) => {
    const { reason } = await trainBert(options)
    if (reason === 'stopped') process.exitCode = 130
  })
}
