import { Command, Option } from 'commander'
import { choice, number, trains, whole, withRun, withShape } from '../run/options.ts'
import { tokenKinds } from '../text/tokens.ts'
import { MINUTES } from '../text/train-on-text.ts'
import { presets, usualShape } from './recipe.ts'
import { trainLm } from './train.ts'

/** `filature-train lm` */
export function lmCommand(): Command {
  const command = new Command('lm')
    .description('Train a GPT-2 from scratch on text, by characters or by tokens that it learns.')
    .addOption(
      new Option(
        '--preset <name>',
        'a known setting: nanoGPT on characters, 6 layers of 384, 64 x 256 of a step (its own run: --steps 5000)',
      ).choices(Object.keys(presets)),
    )
    .option('--text <files...>', 'UTF-8 texts to learn from (default: Pride and Prejudice)')
  withRun(command, {
    folder: 'runs/lm-NAME of the first text',
    length: { minutes: MINUTES },
    seed: 'of weights, crops and samples',
  })
  withShape(command, usualShape, {
    tokens: choice('<kind>', 'characters or byte-level BPE', tokenKinds),
    vocab: whole('<n>', 'tokens of BPE, at most', 257),
    width: whole('<n>', 'width of the model'),
    layers: whole('<n>', 'layers'),
    heads: whole('<n>', 'heads of attention'),
    dropout: number('<rate>', 'of embeddings, attention and feed-forward layers', 0, 0.99),
    batch: whole('<n>', 'crops of a step'),
    length: whole('<n>', 'tokens of a crop: the longest context', 2),
    lr: number('<rate>', 'highest learning rate; it ends at a tenth', 0),
    beta2: number('<rate>', "AdamW's memory of squared gradients", 0, 0.99999),
    weightDecay: number('<rate>', 'of matrices', 0),
    heldOut: number('<part>', 'part at the end of each text to test on', 0, 0.5),
  })
  return trains(command, trainLm)
}
