import { Command } from 'commander'

/** The command line of `filature-train`; every subcommand is a file of its own and is added here. */
export function program(): Command {
  return new Command('filature-train')
    .description('Train models of the Transformer family, from a character RNN upwards.')
    .showHelpAfterError()
}
