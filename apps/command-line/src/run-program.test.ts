import { readFileSync } from 'node:fs'
import { ConfigError } from '@filature/tensor'
import { TokenizerError } from '@filature/tokenizers'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { runProgram } from './run-program.ts'

const args = process.argv
let said: unknown[]
let ended: number | string | undefined
beforeEach(() => {
  process.argv = ['node', 'program']
  said = []
  vi.spyOn(console, 'error').mockImplementation((...all) => void said.push(...all))
  vi.spyOn(process, 'exit').mockImplementation((code) => {
    ended = code ?? process.exitCode
    return undefined as never
  })
})
afterEach(() => {
  process.argv = args
  process.stdout.removeAllListeners('error')
  process.exitCode = undefined
  vi.restoreAllMocks()
})

const program = (action: () => unknown) => new Command('program').action(() => void action())

it('ends with what the command set', async () => {
  await runProgram(program(() => {}))
  expect([ended, said]).toEqual([undefined, []])
  await runProgram(
    program(() => {
      process.exitCode = 130
    }),
  )
  expect([ended, said]).toEqual([130, []])
})

it.each([new ConfigError('x', 'Give more text.'), new TokenizerError('no-token', 'Give more text.')])(
  'tells an error made for people without a stack (%s)',
  async (error) => {
    await runProgram(
      program(() => {
        throw error
      }),
    )
    expect([ended, said]).toEqual([1, ['Give more text.']])
  },
)

it('tells what a file refused without a stack', async () => {
  await runProgram(program(() => readFileSync('no such folder/file')))
  expect(ended).toBe(1)
  expect(said).toEqual([expect.stringMatching(/^ENOENT: no such file or directory, open 'no such folder.file'$/)])
})

it('ends without a word where nobody reads on', async () => {
  await runProgram(program(() => {}))
  const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
  ended = 'nothing'
  process.stdout.emit('error', broken)
  expect([ended, said]).toEqual([undefined, []])
})

it('shows where a mistake of the program is', async () => {
  const error = new TypeError('x is not a function')
  await runProgram(
    program(() => {
      throw error
    }),
  )
  expect([ended, said]).toEqual([1, [error]])
})
