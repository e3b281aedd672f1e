import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { fastest, scratch } from './__tests__/scratch.ts'
import { program } from './program.ts'

const test = scratch()
afterEach(() => {
  process.exitCode = undefined
})

const helpOf = (name: string) =>
  program()
    .commands.find((command) => command.name() === name)!
    .helpInformation()

it.each(['bert', 'caption', 'char', 'llama', 'lm', 'translate', 'vit'])('%s has the options of every run', (name) => {
  const help = helpOf(name)
  for (const option of ['--out', '--resume', '--minutes', '--steps', '--seed', '--lr', '--backend', '--threads']) {
    expect(help).toContain(option)
  }
  for (const option of ['--evaluate-every <steps>', '--save-every <steps>']) expect(help).toContain(option)
})

it.each(['bert', 'llama', 'lm', 'vit'])('%s says how each option of its shape stands', (name) => {
  const help = helpOf(name).replaceAll(/\n +/g, ' ')
  expect(help).toMatch(/--batch <n> +\S.*?\(default: \d+\)/)
  expect(help).toMatch(/--lr <rate> +highest learning rate.*?\(default: 0\.\d+\)/)
  expect(help).toMatch(/--dropout <rate> +\S*.*?\(default: 0/)
  expect(help).toMatch(/--weight-decay <rate> +\S*.*?\(default: 0\.\d+\)/)
})

it.each(['char', 'translate'])('%s says how each option stands, by backend or model', (name) => {
  const help = helpOf(name).replaceAll(/\n +/g, ' ')
  for (const option of ['batch <n>', 'lr <rate>', 'dropout <rate>', 'width <n>', 'hidden <n>']) {
    if (help.includes(`--${option}`)) expect(help).toMatch(new RegExp(`--${option} .*?\\(default: \\d`))
  }
  expect(help).toMatch(/--lr <rate> +highest learning rate \(default: 0\.\d+, (classic|of the transformer) 0\.\d+\)/)
  expect(help).not.toMatch(/undefined|\[object/)
})

it('ends with 130 when it is stopped, and with nothing when it finishes', async () => {
  const text = join(test.folder, 'muse.txt')
  await writeFile(text, 'Sing in me, Muse, and through me tell the story.\n'.repeat(20))
  const out = join(test.folder, 'run')
  const shape = '--vocab 270 --width 8 --layers 1 --heads 2 --groups 1 --memory 8 --batch 2 --length 8'.split(' ')
  const { backend, threads } = fastest
  const machine = ['--backend', backend, '--threads', `${threads}`]
  const rest = ['--steps', '4', '--evaluate-every', '2', '--text', text, ...machine]
  test.interruptAt = /step 2 .* held out/
  await program().parseAsync(['llama', '--out', out, ...shape, ...rest], { from: 'user' })
  expect(process.exitCode).toBe(130)
  process.exitCode = undefined
  await program().parseAsync(['llama', '--resume', out, ...machine], { from: 'user' })
  expect(process.exitCode).toBeUndefined()
  expect(test.output()).toMatch(/Finished at step 4/)
})
