import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { run } from '../__tests__/command-line.ts'
import { fastest, newestWeights, scratch } from '../__tests__/scratch.ts'
import { program } from '../program.ts'
import { trainChar } from './train.ts'

const TEXT = 'Sing in me, Muse, and through me tell the story of that man skilled in all ways of contending.\n'.repeat(
  8,
)
const tiny = { ...fastest, hidden: 8, embedding: 4, batch: 2, length: 6, heldOut: 0.2 }

const test = scratch()
let text: string
beforeEach(async () => {
  text = join(test.folder, 'muse.txt')
  await writeFile(text, TEXT)
})

describe('filature-train char', () => {
  it('trains, tests, samples and saves; going on is the same as never having stopped', async () => {
    const [whole, parts] = [join(test.folder, 'whole'), join(test.folder, 'parts')]
    const result = await trainChar({ ...tiny, text, out: whole, steps: 12 })
    expect(result).toMatchObject({ reason: 'finished', step: 12 })
    expect(result.metrics!.bitsPerCharacter).toBeCloseTo(result.metrics!.loss! / Math.LN2, 6)
    expect(test.output()).toMatch(/Finished at step 12 .*, loss \d.\d+ \(\d\.\d+ bits\/char\)\./)
    expect(test.output()).toMatch(/Held out: \d\.\d+ bits per character\./)
    expect(test.output()).toContain('  | ') // a sample
    const lines = (await readFile(join(whole, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.some((line) => line.evaluation)).toBe(true)
    expect(lines.find((line) => line.loss)).toMatchObject({ lr: expect.any(Number), gradientNorm: expect.any(Number) })

    // stopped in the middle, as by Ctrl-C
    test.interruptAt = /step 4 .* held out/
    const stopped = await trainChar({ ...tiny, text, out: parts, steps: 12, evaluateEvery: 2 })
    expect(stopped).toMatchObject({ reason: 'stopped', step: 4 })
    expect(test.output()).toMatch(/Go on with: .*char --resume/)
    expect((await trainChar({ ...fastest, resume: parts })).step).toBe(12)
    expect(await newestWeights(parts)).toBe(await newestWeights(whole))
  })

  it('runs the classic algorithm, sampling from the state at hand; going on keeps the state', async () => {
    const [whole, parts] = [join(test.folder, 'classic'), join(test.folder, 'parts')]
    const options = { ...fastest, preset: 'classic' as const, hidden: 10, text, steps: 201 }
    await trainChar({ ...options, out: whole })
    const samplesIn = (output: string) => output.match(/----\n [\s\S]*?\n----/g)!
    const samples = samplesIn(test.output())
    expect(samples.map((sample) => sample.length - '----\n \n----'.length)).toEqual([200, 200, 200, 500])
    expect(test.output()).toMatch(/Finished at step 201 .*, loss \d+\.\d+ \(\d\.\d+ bits\/char\)\./)
    const config = JSON.parse(await readFile(join(whole, 'checkpoint-201', 'config.json'), 'utf8'))
    expect(config).toMatchObject({ model_type: 'char_rnn', hidden_size: 10 })

    test.interruptAt = /step 100\/201/
    expect(await trainChar({ ...options, out: parts })).toMatchObject({ reason: 'stopped', step: 100 })
    const before = test.output().length
    expect((await trainChar({ ...fastest, resume: parts })).step).toBe(201)
    expect(samplesIn(test.output().slice(before))).toEqual(samples.slice(1)) // before steps 100 and 200, and at the end
    expect(await newestWeights(parts)).toBe(await newestWeights(whole))
  })

  it('samples as often as it is told', async () => {
    const options = { ...fastest, preset: 'classic' as const, hidden: 4, text, steps: 7, sampleEvery: 3 }
    await trainChar({ ...options, out: join(test.folder, 'run') })
    expect(test.output().match(/^----\n /gm)).toHaveLength(4) // before steps 0, 3 and 6, and at the end
  })

  it('tests on nothing where one character alone would be held out', async () => {
    await writeFile(text, TEXT.slice(0, 96))
    const result = await trainChar({ ...tiny, heldOut: 0.02, text, steps: 2, out: join(test.folder, 'run') })
    expect(result).toMatchObject({ reason: 'finished', metrics: null })
    expect(test.output()).toContain('(96 characters to learn from, 0 held out)')
  })

  it('refuses what it cannot do, and says what to do', async () => {
    const out = join(test.folder, 'run')
    await trainChar({ ...tiny, text, out, steps: 1 })
    const refused = (options: Partial<Parameters<typeof trainChar>[0]>) =>
      expect(trainChar({ ...fastest, ...options } as Parameters<typeof trainChar>[0])).rejects
    await refused({ text, out, steps: 1 }).toThrow(/there is a run in it; go on with --resume/)
    await refused({ resume: join(test.folder, 'none') }).toThrow(/no checkpoint/)
    await refused({ text, dropout: 0.2 }).toThrow(/--dropout: it is between layers, and there is one/)
    await refused({ text, steps: 2, minutes: 1 }).toThrow(/--minutes and --steps: each says how long/)
    await refused({ text, steps: 1, out: text }).toThrow(/--out .*: wanted a folder, that is a file/)
    await refused({ resume: text }).toThrow(/--resume .*: wanted a folder, that is a file/)
    await refused({ text: test.folder, steps: 1 }).toThrow(/wanted a file, that is a folder/)
    await refused({ resume: out, lr: 1 }).toThrow(/leave --lr out/)
    await refused({ text: join(test.folder, 'none.txt') }).toThrow(/there is no such file/)
    await refused({ text, preset: 'classic', layers: 2 }).toThrow(/--layers: the classic preset has none/)
    await refused({ text, steps: 1, batch: 900, out: join(test.folder, 'big') }).toThrow(/take fewer streams/)
    await refused({ backend: 'abacus' }).toThrow(/wanted names of native,wasm,cpu, got "abacus"/)
    await writeFile(text, 'another text')
    await refused({ resume: out }).toThrow(/is not the text of the first run/)
    await writeFile(text, '')
    await refused({ text, steps: 1 }).toThrow(/--text .*: it is empty/)
    await writeFile(text, Buffer.from([0xff, 0xfe, 0x41]))
    await refused({ text, steps: 1 }).toThrow(/is not UTF-8/)
  })
})

describe('the command line', () => {
  it('refuses nonsense', async () => {
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

  it('ends with exit code 1 and one line where the input is wrong', async () => {
    const it = run(['char', '--text', join(test.folder, 'none.txt')])
    expect(await it.ended).toBe(1)
    expect(it.output()).toMatch(/^--text .*none\.txt: there is no such file\.\n$/)
  })

  it('stops cleanly at SIGINT, with exit code 130', async () => {
    const out = join(test.folder, 'run')
    const args = ['--backend', 'cpu', '--hidden', '8', '--text', text, '--out', out, '--steps', '100000']
    const it = run(['char', ...args, '--evaluate-every', '20'])
    await it.seen('held out: ')
    it.child.kill('SIGINT')
    expect(await it.ended).toBe(130)
    expect(it.output()).toMatch(/Stopped at step \d+ .*\n.*Saved in/)
    expect((await readdir(join(test.folder, 'run'))).some((name) => name.startsWith('checkpoint-'))).toBe(true)
  })
})
