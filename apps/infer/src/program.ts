import { programOf } from '@filature/command-line'
import type { Command } from 'commander'
import { bertCommand } from './bert/command.ts'
import { charCommand } from './char/command.ts'
import { complexityCommand } from './complexity/command.ts'
import { describeCommand } from './describe/command.ts'
import { generateCommand } from './generate/command.ts'
import { recallCommand } from './recall/command.ts'
import { translateCommand } from './translate/command.ts'

/** The command line of `filature-infer`; every subcommand is a file of its own and is added here. */
export function program(): Command {
  return programOf('infer', 'Run trained models: generate text, describe images, look inside.', [
    charCommand(),
    generateCommand(),
    bertCommand(),
    describeCommand(),
    complexityCommand(),
    recallCommand(),
    translateCommand(),
  ])
}
