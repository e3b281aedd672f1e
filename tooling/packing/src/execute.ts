import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../../../', import.meta.url)).replace(/[/\\]$/, '')

export interface Run {
  readonly code: number | null
  readonly stdout: string
  /** Standard output and error, for the report: the end of both. */
  readonly output: string
}

/** Runs a program to its end, at most `seconds`; its output is kept for the report. */
export function execute(command: string, args: string[], cwd: string, seconds: number): Run {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: seconds * 1000,
    maxBuffer: 1 << 26,
    shell: process.platform === 'win32' && !command.endsWith('.exe'),
  })
  return { code: status, stdout, output: `${stdout}${stderr}${error ? `\n${error.message}` : ''}`.slice(-6000) }
}
