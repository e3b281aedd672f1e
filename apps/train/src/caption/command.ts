import { Command } from 'commander'
import { numberWithin, wholeNumber, withBackend } from '../backend.ts'
import { usualShape } from './recipe.ts'
import { trainCaption } from './train.ts'

const INFINITE = Number.POSITIVE_INFINITY

/** `filature-train caption` */
export function captionCommand(): Command {
  const usual = (key: keyof typeof usualShape) => `(default: ${usualShape[key]})`
  const command = new Command('caption')
    .description('Train a small MiniGPT-4 to name the emoji of one artist; tests it on others and on a second artist.')
    .option('--data <dir>', 'folder with google/ and twitter/ (default: where the fetch script puts them)')
    .option('--out <dir>', 'folder for checkpoints and metrics (default: runs/caption)')
    .option('--resume <dir>', 'go on with a run, bit for bit, from its newest checkpoint')
    .option('--minutes <n>', 'train for about that long (default: 10)', numberWithin(0.01, INFINITE))
    .option('--steps <n>', 'train for that many steps in all instead', wholeNumber(1))
    .option('--seed <n>', 'of the split, weights, order and alterations (default: 1)', wholeNumber(0))
    .option('--vocab <n>', `tokens of the tokenizer, at most ${usual('vocab')}`, wholeNumber(261))
    .option('--patch <pixels>', `side of a patch; must divide 64 ${usual('patch')}`, wholeNumber(1))
    .option('--vision-width <n>', `width of the EVA-ViT ${usual('visionWidth')}`, wholeNumber(1))
    .option('--vision-depth <n>', `its blocks ${usual('visionDepth')}`, wholeNumber(1))
    .option('--queries <n>', `of the Q-Former: tokens that a picture becomes ${usual('queries')}`, wholeNumber(1))
    .option('--width <n>', `of Q-Former and LLaMA ${usual('width')}`, wholeNumber(2))
    .option('--layers <n>', `of the LLaMA ${usual('layers')}`, wholeNumber(1))
    .option('--batch <n>', `drawings of a step ${usual('batch')}`, wholeNumber(1))
    .option('--lr <rate>', `highest learning rate ${usual('lr')}`, numberWithin(0, INFINITE))
    .option('--weight-decay <rate>', usual('weightDecay'), numberWithin(0, INFINITE))
    .option('--evaluate-every <steps>', 'steps between looks at the held-out emoji', wholeNumber(1))
    .option('--save-every <steps>', 'steps between checkpoints', wholeNumber(1))
  return withBackend(command).action(async (options) => {
    const { reason } = await trainCaption(options)
    if (reason === 'stopped') process.exitCode = 130
  })
}
