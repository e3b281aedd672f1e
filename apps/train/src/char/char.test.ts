import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { run } from '../__tests__/command-line.ts'
import { fastest } from '../__tests__/scratch.ts'
import { program } from '../program.ts'
import { trainChar } from './train.ts'

const TEXT = 'Sing in me, Muse, and through me tell the story of that man skilled in all ways of contending.\n'.repeat(
  8,
)
const tiny = { ...fastest, hidden: 8, embedding: 4, batch: 2, length: 6, heldOut: 0.2 }

let folder: string
let text: string
let said: string[]
let interruptAt: RegExp | undefined
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-char-'))
  text = join(folder, 'muse.txt')
  await writeFile(text, TEXT)
  said = []
  interruptAt = undefined
  vi.spyOn(console, 'log').mockImplementation((line = '') => void said.push(String(line)))
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    said.push(String(chunk))
    if (interruptAt?.test(String(chunk))) {
      interruptAt = undefined
      process.emit('SIGINT', 'SIGINT')
    }
    return true
  })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true, force: true })
})

const weights = async (run: string) => {
  const checkpoints = (await readdir(run)).filter((name) => name.startsWith('checkpoint-'))
  const newest = checkpoints.sort((a, b) => Number(b.slice(11)) - Number(a.slice(11)))[0]!
  return (await readFile(join(run, newest, 'model.safetensors'))).toString('base64')
}

describe('filature-train char', () => {
  it('trains, tests, samples and saves; going on is the same as never having stopped', async () => {
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')]
    const result = await trainChar({ ...tiny, text, out: whole, steps: 12 })
    expect(result).toMatchObject({ reason: 'finished', step: 12 })
    expect(result.metrics!.bitsPerCharacter).toBeCloseTo(result.metrics!.loss! / Math.LN2, 6)
    expect(said.join('\n')).toMatch(/Finished at step 12 .*, loss \d.\d+ \(\d\.\d+ bits\/char\)\./)
    expect(said.join('\n')).toMatch(/Held out: \d\.\d+ bits per character\./)
    expect(said.join('\n')).toContain('  | ') // a sample
    const lines = (await readFile(join(whole, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.some((line) => line.evaluation)).toBe(true)
    expect(lines.find((line) => line.loss)).toMatchObject({ lr: expect.any(Number), gradientNorm: expect.any(Number) })

    // stopped in the middle, as by Ctrl-C
    interruptAt = /step 4 .* held out/
    const stopped = await trainChar({ ...tiny, text, out: parts, steps: 12, evaluateEvery: 2 })
    expect(stopped).toMatchObject({ reason: 'stopped', step: 4 })
    expect(said.join('\n')).toMatch(/Go on with: .*char --resume/)
    expect((await trainChar({ ...fastest, resume: parts })).step).toBe(12)
    expect(await weights(parts)).toBe(await weights(whole))
  })

  it('runs the classic algorithm, sampling from the state at hand', async () => {
    const out = join(folder, 'classic')
    await trainChar({ ...fastest, preset: 'classic', hidden: 10, text, out, steps: 201 })
    const samples = said.join('\n').match(/----\n [\s\S]*?\n----/g)!
    expect(samples.map((sample) => sample.length - '----\n \n----'.length)).toEqual([200, 200, 200, 500])
    const config = JSON.parse(await readFile(join(out, 'checkpoint-201', 'config.json'), 'utf8'))
    expect(config).toMatchObject({ model_type: 'char_rnn', hidden_size: 10 })
  })

  it('refuses what it cannot do, and says what to do', async () => {
    const out = join(folder, 'run')
    await trainChar({ ...tiny, text, out, steps: 1 })
    const refused = (options: Partial<Parameters<typeof trainChar>[0]>) =>
      expect(trainChar({ ...fastest, ...options } as Parameters<typeof trainChar>[0])).rejects
    await refused({ text, out, steps: 1 }).toThrow(/there is a run in it; go on with --resume/)
    await refused({ resume: join(folder, 'none') }).toThrow(/no checkpoint/)
    await refused({ text, dropout: 0.2 }).toThrow(/--dropout: it is between layers, and there is one/)
    await refused({ text, steps: 2, minutes: 1 }).toThrow(/--minutes and --steps: each says how long/)
    await refused({ text, steps: 1, out: text }).toThrow(/--out .*: wanted a folder, that is a file/)
    await refused({ resume: text }).toThrow(/--resume .*: wanted a folder, that is a file/)
    await refused({ text: folder, steps: 1 }).toThrow(/wanted a file, that is a folder/)
    await refused({ resume: out, lr: 1 }).toThrow(/leave --lr out/)
    await refused({ text: join(folder, 'none.txt') }).toThrow(/there is no such file/)
    await refused({ text, preset: 'classic', layers: 2 }).toThrow(/--layers: the classic preset has none/)
    await refused({ text, steps: 1, batch: 900, out: join(folder, 'big') }).toThrow(/take fewer streams/)
    await refused({ backend: 'abacus' }).toThrow(/wanted names of native,wasm,cpu, got "abacus"/)
    await writeFile(text, 'another text')
    await refused({ resume: out }).toThrow(/is not the text of the first run/)
    await writeFile(text, Buffer.from([0xff, 0xfe, 0x41]))
    await refused({ text, steps: 1 }).toThrow(/is not UTF-8/)
  })
})

describe('the command line', () => {
  it('has help for everything, and refuses nonsense', async () => {
    const help = program()
      .commands.find((command) => command.name() === 'char')!
      .helpInformation()
    for (const option of [
      '--text',
      '--resume',
      '--preset',
      '--minutes',
      '--steps',
      '--backend',
      '--threads',
      '--seed',
    ]) {
      expect(help).toContain(option)
    }
    const parse = (...args: string[]) => {
      const root = program()
      for (const command of [root, ...root.commands]) command.exitOverride().configureOutput({ writeErr: () => {} })
      return root.parseAsync(['char', ...args], { from: 'user' })
    }
    await expect(parse('--steps', '0')).rejects.toThrow(/whole number of at least 1/)
    await expect(parse('--minutes', '')).rejects.toThrow(/number of at least 0.01/)
    await expect(parse('--dropout', '1.5')).rejects.toThrow(/from 0 to 0.99/)
    await expect(parse('--preset', 'baroque')).rejects.toThrow(/modern, classic/)
    await expect(parse('--nonsense')).rejects.toThrow(/unknown option/)
  })

  it('stops cleanly at SIGINT, with exit code 130', async () => {
    const args = [
      '--backend',
      'cpu',
      '--hidden',
      '8',
      '--text',
      text,
      '--out',
      join(folder, 'run'),
      '--steps',
      '100000',
    ]
    const it = run(['char', ...args, '--evaluate-every', '20'])
    await it.seen('held out: ')
    it.child.kill('SIGINT')
    expect(await it.ended).toBe(130)
    expect(it.output()).toMatch(/Stopped at step \d+ .*\n.*Saved in/)
    expect((await readdir(join(folder, 'run'))).some((name) => name.startsWith('checkpoint-'))).toBe(true)
  })
})
