import { FilatureError } from '@filature/tensor'
import { TokenizerError } from '@filature/tokenizers'
import type { Command } from 'commander'

/** Runs a command line to its end, and ends the process with it: 1 after an error, else what the command set. */
export async function runProgram(program: Command): Promise<never> {
  try {
    await program.parseAsync()
  } catch (error) {
    // Errors made for people come without a stack.
    const isForPeople = error instanceof FilatureError || error instanceof TokenizerError
    console.error(isForPeople ? error.message : error)
    process.exitCode = 1
  }
  // Engines keep threads alive: when the work is done, so is the process.
  process.exit()
}
