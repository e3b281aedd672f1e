import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { rootPath } from './root.mjs'

/**
 * Runs a command in the root with this terminal's input and output. Returns its exit code, 128 + n where signal n
 * ended it.
 *
 * In a terminal Ctrl-C reaches the child by itself (one process group), so this process only waits for the child to
 * finish cleanly; without a terminal the signal is passed on.
 *
 * `asNotes` sends its standard output to standard error: it prepares what runs next, whose output is the result.
 */
export function run(command, args, { cwd = rootPath, env = process.env, shell = false, asNotes = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, shell, stdio: ['inherit', asNotes ? 2 : 'inherit', 'inherit'] })
    const terminal = process.stdin.isTTY === true || process.stdout.isTTY === true
    const interrupt = () => {
      if (!terminal) child.kill('SIGINT')
    }
    const terminate = () => child.kill('SIGTERM')
    process.on('SIGINT', interrupt)
    process.on('SIGTERM', terminate)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', terminate)
      resolve(code ?? 128 + constants.signals[signal])
    })
  })
}

/** Runs a script with the Node that runs this one. */
export const node = (args, options) => run(process.execPath, args, options)
