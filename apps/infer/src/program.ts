import { Command } from 'commander'

/** The command line of `filature-infer`; every subcommand is a file of its own and is added here. */
export function program(): Command {
  return new Command('filature-infer')
    .description('Run trained models: generate text, describe images, look inside.')
    .showHelpAfterError()
}
