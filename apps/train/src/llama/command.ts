import { Command } from 'commander'
import { number, trains, whole, withRun, withShape } from '../run/options.ts'
import { MINUTES } from '../text/train-on-text.ts'
import { usualShape } from './recipe.ts'
import { trainLlama } from './train.ts'

/** `filature-train llama` */
export function llamaCommand(): Command {
  const command = new Command('llama')
    .description(
      "Train a LLaMA and its tokenizer from scratch on text; saves a folder as Hugging Face's loaders read it.",
    )
    .option('--text <files...>', 'UTF-8 texts to learn from (default: Pride and Prejudice)')
  withRun(command, {
    folder: 'runs/llama-NAME of the first text',
    length: { minutes: MINUTES },
    seed: 'of weights, crops and samples',
  })
  withShape(command, usualShape, {
    vocab: whole('<n>', 'tokens of the tokenizer, at most', 257),
    width: whole('<n>', 'width of the model', 2),
    layers: whole('<n>', 'layers'),
    heads: whole('<n>', 'heads of attention'),
    groups: whole('<n>', 'groups that share keys and values'),
    memory: whole('<n>', 'width of the feed-forward layers'),
    dropout: number('<rate>', 'of attention', 0, 0.99),
    batch: whole('<n>', 'crops of a step'),
    length: whole('<n>', 'tokens of a crop: the longest context', 2),
    lr: number('<rate>', 'highest learning rate; it ends at a tenth', 0),
    weightDecay: number('<rate>', 'of matrices', 0),
    heldOut: number('<part>', 'part at the end of each text to test on', 0, 0.5),
  })
  return trains(command, trainLlama)
}
