import { Command } from 'commander'

const calls = {
  train: { installed: 'filature-train', checkout: 'npm start --' },
  infer: { installed: 'filature-infer', checkout: 'npm run infer --' },
} as const

/** How a command line of ours is typed here: in a checkout the npm scripts stand for it, and say so by a variable. */
export function callOf(program: keyof typeof calls): string {
  return calls[program][process.env.FILATURE_CHECKOUT ? 'checkout' : 'installed']
}

/** A command line of several commands; an error in one names the help that tells more. */
export function programOf(name: keyof typeof calls, description: string, commands: readonly Command[]): Command {
  const call = callOf(name)
  const program = new Command(call).description(description)
  for (const command of commands) {
    program.addCommand(command.showHelpAfterError(`Its options: ${call} ${command.name()} --help`))
  }
  return program.showHelpAfterError()
}
