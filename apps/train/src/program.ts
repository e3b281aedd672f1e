import { programOf } from '@filature/command-line'
import type { Command } from 'commander'
import { bertCommand } from './bert/command.ts'
import { captionCommand } from './caption/command.ts'
import { charCommand } from './char/command.ts'
import { classifyCommand } from './classify/command.ts'
import { llamaCommand } from './llama/command.ts'
import { lmCommand } from './lm/command.ts'
import { translateCommand } from './translate/command.ts'
import { vitCommand } from './vit/command.ts'

/** The command line of `filature-train`; every subcommand is a file of its own and is added here. */
export function program(): Command {
  return programOf('train', 'Train models of the Transformer family, from a character RNN upwards.', [
    charCommand(),
    bertCommand(),
    classifyCommand(),
    llamaCommand(),
    lmCommand(),
    vitCommand(),
    captionCommand(),
    translateCommand(),
  ])
}
