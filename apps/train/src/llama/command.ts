import { numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { Command } from 'commander'
import { usualShape } from './recipe.ts'
import { trainLlama } from './train.ts'

const INFINITE = Number.POSITIVE_INFINITY

/** `filature-train llama` */
export function llamaCommand(): Command {
  const usual = (key: keyof typeof usualShape) => `(default: ${usualShape[key]})`
  const command = new Command('llama')
    .description(
      "Train a LLaMA and its tokenizer from scratch on text; saves a folder as Hugging Face's loaders read it.",
    )
    .option('--text <files...>', 'UTF-8 texts to learn from (default: Pride and Prejudice)')
    .option('--out <dir>', 'folder for checkpoints and metrics (default: runs/llama-NAME of the first text)')
    .option('--resume <dir>', 'go on with a run, bit for bit, from its newest checkpoint')
    .option('--minutes <n>', 'train for about that long (default: 5)', numberWithin(0.01, INFINITE))
    .option('--steps <n>', 'train for that many steps in all instead', wholeNumber(1))
    .option('--seed <n>', 'of weights, crops and samples (default: 1)', wholeNumber(0))
    .option('--vocab <n>', `tokens of the tokenizer, at most ${usual('vocab')}`, wholeNumber(257))
    .option('--width <n>', `width of the model ${usual('width')}`, wholeNumber(2))
    .option('--layers <n>', `layers ${usual('layers')}`, wholeNumber(1))
    .option('--heads <n>', `heads of attention ${usual('heads')}`, wholeNumber(1))
    .option('--groups <n>', `groups that share keys and values ${usual('groups')}`, wholeNumber(1))
    .option('--memory <n>', `width of the feed-forward layers ${usual('memory')}`, wholeNumber(1))
    .option('--dropout <rate>', `of attention ${usual('dropout')}`, numberWithin(0, 0.99))
    .option('--batch <n>', `crops of a step ${usual('batch')}`, wholeNumber(1))
    .option('--length <n>', `tokens of a crop: the longest context ${usual('length')}`, wholeNumber(2))
    .option('--lr <rate>', `highest learning rate ${usual('lr')}`, numberWithin(0, INFINITE))
    .option('--weight-decay <rate>', usual('weightDecay'), numberWithin(0, INFINITE))
    .option('--held-out <part>', `part at the end of each text to test on ${usual('heldOut')}`, numberWithin(0, 0.5))
    .option('--evaluate-every <steps>', 'steps between tests', wholeNumber(1))
    .option('--save-every <steps>', 'steps between checkpoints', wholeNumber(1))
  return withBackend(command).action(async (options) => {
    const { reason } = await trainLlama(options)
    if (reason === 'stopped') process.exitCode = 130
  })
}
