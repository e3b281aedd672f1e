import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nodeArguments } from '@filature/testing'

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url))

export interface Run {
  readonly child: ChildProcess
  /** Standard output and error so far. */
  output(): string
  /** Waits for a text to come out. */
  seen(text: string | RegExp): Promise<void>
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/** The command that runs `filature-train` from its sources. */
export const command = (args: readonly string[]) => [process.execPath, ...nodeArguments(), cli, ...args]

/** Runs `filature-train` in a process of its own, through `wrap` (a pseudo-terminal) when given. */
export function run(args: readonly string[], { wrap }: { wrap?: (command: string[]) => string[] } = {}): Run {
  const [program, ...rest] = wrap ? wrap(command(args)) : command(args)
  const child = spawn(program!, rest, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } })
  let output = ''
  const waiting = new Set<() => void>()
  const heard = (chunk: Buffer) => {
    output += chunk
    for (const check of waiting) check()
  }
  child.stdout!.on('data', heard)
  child.stderr!.on('data', heard)
  // closed, not merely exited: what it wrote last may come after its end
  let over = false
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => {
      over = true
      resolve(code ?? signal!)
      for (const check of waiting) check()
    })
  })
  return {
    child,
    output: () => output,
    ended,
    seen: (text) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = typeof text === 'string' ? output.includes(text) : text.test(output)
          if (!found && !over) return
          waiting.delete(check)
          if (found) resolve()
          else reject(new Error(`the command ended without ${text}:\n${output}`))
        }
        waiting.add(check)
        check()
      }),
  }
}
