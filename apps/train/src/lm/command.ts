import { numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { Command, Option } from 'commander'
import { presets, tokenKinds, usualShape } from './recipe.ts'
import { trainLm } from './train.ts'

const INFINITE = Number.POSITIVE_INFINITY

/** `filature-train lm` */
export function lmCommand(): Command {
  const usual = (key: keyof typeof usualShape) => `(default: ${usualShape[key]})`
  const command = new Command('lm')
    .description('Train a GPT-2 from scratch on text, by characters or by tokens that it learns.')
    .addOption(
      new Option(
        '--preset <name>',
        'a known setting: nanoGPT on characters, 6 layers of 384, 64 x 256 of a step (its own run: --steps 5000)',
      ).choices(Object.keys(presets)),
    )
    .option('--text <files...>', 'UTF-8 texts to learn from (default: Pride and Prejudice)')
    .option('--out <dir>', 'folder for checkpoints and metrics (default: runs/lm-NAME of the first text)')
    .option('--resume <dir>', 'go on with a run, bit for bit, from its newest checkpoint')
    .option('--minutes <n>', 'train for about that long (default: 5)', numberWithin(0.01, INFINITE))
    .option('--steps <n>', 'train for that many steps in all instead', wholeNumber(1))
    .option('--seed <n>', 'of weights, crops and samples (default: 1)', wholeNumber(0))
    .addOption(new Option('--tokens <kind>', `characters or byte-level BPE ${usual('tokens')}`).choices(tokenKinds))
    .option('--vocab <n>', `tokens of BPE, at most ${usual('vocab')}`, wholeNumber(257))
    .option('--width <n>', `width of the model ${usual('width')}`, wholeNumber(1))
    .option('--layers <n>', `layers ${usual('layers')}`, wholeNumber(1))
    .option('--heads <n>', `heads of attention ${usual('heads')}`, wholeNumber(1))
    .option('--dropout <rate>', usual('dropout'), numberWithin(0, 0.99))
    .option('--batch <n>', `crops of a step ${usual('batch')}`, wholeNumber(1))
    .option('--length <n>', `tokens of a crop: the longest context ${usual('length')}`, wholeNumber(2))
    .option('--lr <rate>', `highest learning rate; it ends at a tenth ${usual('lr')}`, numberWithin(0, INFINITE))
    .option('--beta2 <rate>', `AdamW's memory of squared gradients ${usual('beta2')}`, numberWithin(0, 0.99999))
    .option('--weight-decay <rate>', `of matrices ${usual('weightDecay')}`, numberWithin(0, INFINITE))
    .option('--held-out <part>', `part at the end of each text to test on ${usual('heldOut')}`, numberWithin(0, 0.5))
    .option('--evaluate-every <steps>', 'steps between tests', wholeNumber(1))
    .option('--save-every <steps>', 'steps between checkpoints', wholeNumber(1))
  return withBackend(command).action(async (options) => {
    const { reason } = await trainLm(options)
    if (reason === 'stopped') process.exitCode = 130
  })
}
