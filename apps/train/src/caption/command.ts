import { Command } from 'commander'
import { number, trains, whole, withRun, withShape } from '../run/options.ts'
import { usualShape } from './recipe.ts'
import { MINUTES, trainCaption } from './train.ts'

/** `filature-train caption` */
export function captionCommand(): Command {
  const command = new Command('caption')
    .description('Train a small MiniGPT-4 to name the emoji of one artist; tests it on others and on a second artist.')
    .option('--data <dir>', 'folder with google/ and twitter/ (default: where the fetch script puts them)')
  withRun(command, {
    folder: 'runs/caption',
    length: { minutes: MINUTES },
    seed: 'of the split, weights, order and alterations',
  })
  withShape(command, usualShape, {
    vocab: whole('<n>', 'tokens of the tokenizer, at most', 263),
    patch: whole('<pixels>', 'side of a patch; must divide 64'),
    visionWidth: whole('<n>', 'width of the EVA-ViT'),
    visionDepth: whole('<n>', 'its blocks'),
    queries: whole('<n>', 'of the Q-Former: tokens that a picture becomes'),
    width: whole('<n>', 'of Q-Former and LLaMA', 2),
    layers: whole('<n>', 'of the LLaMA'),
    batch: whole('<n>', 'drawings of a step'),
    lr: number('<rate>', 'highest learning rate', 0),
    weightDecay: number('<rate>', 'of matrices', 0),
  })
  return trains(command, trainCaption, { tests: 'looks at the held-out emoji' })
}
