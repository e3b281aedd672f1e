import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpu, useBackend } from '@filature/tensor'
import { afterEach, beforeEach, vi } from 'vitest'
import { program } from '../program.ts'

export interface Scratch {
  /** New for each test. */
  folder: string
  /** What the last command wrote to standard output and to standard error. */
  out: string
  err: string
  /** Ctrl-C at the n-th piece of output. */
  interruptAt: number | undefined
  /** Runs a command on cpu; what it wrote to standard output. */
  run(command: string, ...args: readonly string[]): Promise<string>
}

/** Call at the top of a test file. */
export function scratch(): Scratch {
  const it: Scratch = {
    folder: '',
    out: '',
    err: '',
    interruptAt: undefined,
    async run(command, ...args) {
      it.out = ''
      it.err = ''
      await program().parseAsync([command, '--backend', 'cpu', ...args], { from: 'user' })
      return it.out
    },
  }
  const hear = (text: string) => {
    it.out += text
    if (it.interruptAt !== undefined && --it.interruptAt === 0) process.emit('SIGINT', 'SIGINT')
    return true
  }
  const hearError = (text: string) => {
    it.err += text
    return true
  }
  beforeEach(async () => {
    await useBackend(cpu())
    it.folder = await mkdtemp(join(tmpdir(), 'filature-infer-'))
    it.interruptAt = undefined
    vi.stubEnv('FILATURE_CHECKOUT', undefined)
    vi.spyOn(Math, 'random').mockImplementation(() => {
      throw new Error('a test that draws without --seed passes only on most days')
    })
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => hear(String(chunk)))
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => hearError(String(chunk)))
    vi.spyOn(console, 'log').mockImplementation((line = '') => void hear(`${line}\n`))
    vi.spyOn(console, 'error').mockImplementation((line = '') => void hearError(`${line}\n`))
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
    process.exitCode = undefined
    await rm(it.folder, { recursive: true, force: true })
  })
  return it
}
