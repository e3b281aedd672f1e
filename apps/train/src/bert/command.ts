import { Command } from 'commander'
import { number, trains, whole, withRun, withShape } from '../run/options.ts'
import { usualShape } from './recipe.ts'
import { MINUTES, trainBert } from './train.ts'

/** `filature-train bert` */
export function bertCommand(): Command {
  const command = new Command('bert')
    .description('Pretrain a BERT on the Brown corpus by masked words and next sentences.')
    .option('--data <dir>', 'folder of the Brown corpus (default: where the fetch script puts it)')
  withRun(command, { folder: 'runs/bert-brown', length: { minutes: MINUTES }, seed: 'of weights, masks and order' })
  withShape(command, usualShape, {
    vocab: whole('<n>', 'tokens of the tokenizer, at most', 260),
    width: whole('<n>', 'width of the model'),
    layers: whole('<n>', 'layers'),
    heads: whole('<n>', 'heads of attention'),
    memory: whole('<n>', 'width of the feed-forward layers'),
    dropout: number('<rate>', 'of embeddings, attention and feed-forward layers', 0, 0.99),
    batch: whole('<n>', 'pairs of a step'),
    length: whole('<n>', 'tokens of a pair', 8),
    mask: number('<part>', 'of the tokens to predict', 0.01, 0.9),
    lr: number('<rate>', 'highest learning rate', 0),
    weightDecay: number('<rate>', 'of matrices', 0),
  })
  return trains(command, trainBert)
}
