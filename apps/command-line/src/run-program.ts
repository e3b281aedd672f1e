import { FilatureError } from '@filature/tensor'
import { TokenizerError } from '@filature/tokenizers'
import type { Command } from 'commander'

/** Runs a command line to its end, and ends the process with it: 1 after an error, else what the command set. */
export async function runProgram(program: Command): Promise<never> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit() // who reads has had enough: `| head`
  })
  try {
    await program.parseAsync()
  } catch (error) {
    console.error(isForPeople(error) ? error.message : error)
    process.exitCode = 1
  }
  // Engines keep threads alive: when the work is done, so is the process.
  process.exit()
}

/** Errors that come without a stack: ours, and those of files, which name operation and path. */
function isForPeople(error: unknown): error is Error {
  if (error instanceof FilatureError || error instanceof TokenizerError) return true
  return error instanceof Error && 'syscall' in error && 'path' in error
}
