import { numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { Command } from 'commander'
import { kindNames } from '../bert/brown.ts'
import { classify } from './classify.ts'

const list = (text: string): number[] => text.split(',').map((part) => wholeNumber(kindNames.length)(part))

/** `filature-train classify` */
export function classifyCommand(): Command {
  const command = new Command('classify')
    .description('Fine-tune a pretrained BERT to tell kinds of prose apart, beside the same model from scratch.')
    .requiredOption('--from <dir>', 'folder of a pretrained BERT, as `filature-train bert` leaves it (.../model)')
    .option('--data <dir>', 'folder of the Brown corpus (default: where the fetch script puts it)')
    .option('--labels <numbers>', 'numbers of labelled passages to learn from', list, [32, 128, 512])
    .option('--steps <n>', 'steps of each training', wholeNumber(1), 100)
    .option('--batch <n>', 'passages of a step', wholeNumber(1), 32)
    .option('--lr <rate>', 'highest learning rate', numberWithin(0), 5e-4)
    .option('--test <n>', 'passages to test on', wholeNumber(kindNames.length), 1600)
    .option(
      '--repeats <n>',
      'trainings of each, on other passages; their mean and deviation are told',
      wholeNumber(1),
      3,
    )
    .option('--seed <n>', 'of the new weights, the choice and the order', wholeNumber(0), 1)
  return withBackend(command).action(async (options) => {
    const { reason } = await classify(options)
    if (reason === 'stopped') process.exitCode = 130
  })
}
