import { list, numberWithin, wholeNumber } from '@filature/command-line'
import { Command, Option } from 'commander'
import { kindNames } from '../bert/brown.ts'
import { runs } from '../run/options.ts'
import { classify } from './classify.ts'

const LABELS = [32, 128, 512]

/** `filature-train classify` */
export function classifyCommand(): Command {
  const command = new Command('classify')
    .description('Fine-tune a pretrained BERT to tell kinds of prose apart, beside the same model from scratch.')
    .requiredOption('--from <dir>', 'a run of `bert`, or the folder of a pretrained BERT that it leaves')
    .option('--data <dir>', 'folder of the Brown corpus (default: where the fetch script puts it)')
    .addOption(
      new Option('--labels <numbers>', 'numbers of labelled passages to learn from, with commas between')
        .argParser(list(wholeNumber(kindNames.length)))
        .default(LABELS, LABELS.join()),
    )
    .option('--steps <n>', 'steps of each training', wholeNumber(1), 100)
    .option('--batch <n>', 'passages of a step', wholeNumber(1), 32)
    .option('--lr <rate>', 'highest learning rate', numberWithin(0), 5e-4)
    .option('--test <n>', 'passages to test on at most', wholeNumber(kindNames.length), 1600)
    .option(
      '--repeats <n>',
      'trainings of each, on other passages; their mean and deviation are told',
      wholeNumber(1),
      3,
    )
    .option('--seed <n>', 'of the new weights, the choice and the order', wholeNumber(0), 1)
  return runs(command, classify)
}
