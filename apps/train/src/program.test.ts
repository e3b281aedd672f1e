import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { scratch } from './__tests__/scratch.ts'
import { program } from './program.ts'

const test = scratch()
afterEach(() => {
  process.exitCode = undefined
})

it.each(['vit', 'llama', 'caption'])('%s says what it does and how each option stands', (name) => {
  const help = program()
    .commands.find((command) => command.name() === name)!
    .helpInformation()
  for (const option of ['--out', '--resume', '--steps', '--minutes', '--seed', '--lr', '--backend', '--threads']) {
    expect(help).toContain(option)
  }
  expect(help).toMatch(/--batch <n> +\S.*\(default:\s+\d+\)/)
})

it('ends with 130 when it is stopped, and with nothing when it finishes', async () => {
  const text = join(test.folder, 'muse.txt')
  await writeFile(text, 'Sing in me, Muse, and through me tell the story.\n'.repeat(20))
  const out = join(test.folder, 'run')
  const shape = '--vocab 270 --width 8 --layers 1 --heads 2 --groups 1 --memory 8 --batch 2 --length 8'.split(' ')
  const rest = ['--steps', '4', '--evaluate-every', '2', '--backend', 'cpu', '--text', text]
  test.interruptAt = /step 2 .* held out/
  await program().parseAsync(['llama', '--out', out, ...shape, ...rest], { from: 'user' })
  expect(process.exitCode).toBe(130)
  process.exitCode = undefined
  await program().parseAsync(['llama', '--resume', out, '--backend', 'cpu'], { from: 'user' })
  expect(process.exitCode).toBeUndefined()
  expect(test.output()).toMatch(/Finished at step 4/)
})
