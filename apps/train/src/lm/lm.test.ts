import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load, openPretrained } from '@filature/checkpoint'
import { cpu, init, parameterCount, Rng, tensor, useBackend } from '@filature/tensor'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import { GPT2LMHeadModel, gpt2Config } from '@filature/transformer'
import { expect, it } from 'vitest'
import { fastest, newestWeights, scratch } from '../__tests__/scratch.ts'
import { evaluateTokens } from '../text/evaluate-tokens.ts'
import { lmCommand } from './command.ts'
import { lmConfigOf, lmOf, presets, usualShape } from './recipe.ts'
import { trainLm } from './train.ts'

const test = scratch()
const LINE = 'Sing in me, Muse, and through me tell the story of that man skilled in all ways of contending.\n'
const tiny = { ...fastest, width: 8, layers: 1, heads: 2, batch: 2, length: 8 }

async function writeText(text = LINE.repeat(8), name = 'muse.txt'): Promise<string> {
  const path = join(test.folder, name)
  await writeFile(path, text)
  return path
}

it('trains on characters, tests and samples; going on is the same as never having stopped', async () => {
  const [whole, parts] = [join(test.folder, 'whole'), join(test.folder, 'parts')]
  const preset = 'nanogpt-char' as const
  const options = { ...tiny, preset, text: [await writeText()], heldOut: 0.2, steps: 6, evaluateEvery: 3 }
  const result = await trainLm({ ...options, out: whole })
  expect(result).toMatchObject({ reason: 'finished', step: 6 })
  // what a token costs and what a byte costs agree: ASCII, and one newline more than bytes is predicted
  const { loss, bitsPerByte } = result.metrics!
  const bytes = test.output().match(/(\d+) held out/)![1]
  expect(bitsPerByte! * Math.LN2).toBeCloseTo((loss! * (Number(bytes) - 1)) / (Number(bytes) - 2), 6)
  expect(test.output()).toContain('  | ') // a sample
  expect(test.output()).toMatch(/Held out: .* nats\/token, .* bits\/byte/)

  test.interruptAt = /step 3 .* held out/
  expect(await trainLm({ ...options, out: parts })).toMatchObject({ reason: 'stopped', step: 3 })
  expect((await trainLm({ ...fastest, resume: parts })).step).toBe(6)
  expect(await newestWeights(parts)).toBe(await newestWeights(whole))
  const tokenizer = await loadTokenizerFolder(result.pretrained!)
  expect(tokenizer.vocabSize).toBe(new Set(LINE).size)
})

it("saves a GPT-2 under Hugging Face's names, with its tokenizer", async () => {
  const out = join(test.folder, 'run')
  const options = { ...tiny, vocab: 300, text: [await writeText()], out, steps: 3, dropout: 0.1 }
  const { pretrained } = await trainLm(options)
  await using files = await openPretrained(pretrained!)
  expect(files.config).toMatchObject({
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    attn_pdrop: 0.1,
    eos_token_id: 0,
  })
  const model = new GPT2LMHeadModel(gpt2Config(files.config))
  await load(model, files.checkpoint)
  const tokenizer = await loadTokenizerFolder(pretrained!)
  expect(tokenizer.special.eos).toBe(0)
  expect(tokenizer.decode(tokenizer.encode(LINE).ids)).toBe(LINE)
  expect(model.logits({ ids: tensor([[0, 1]], [1, 2], 'int32') }).shape).toEqual([1, 2, tokenizer.vocabSize])
  expect((await trainLm({ ...fastest, resume: out, steps: 4 })).step).toBe(4)
})

it("is nanoGPT's size with the preset, and learns", async () => {
  const shape = { ...usualShape, ...presets['nanogpt-char'].shape }
  const config = lmConfigOf('nanogpt', shape, 65)
  // 10.65 million without the positions, as nanoGPT prints it for 65 characters
  expect((parameterCount(lmOf(config)) - 256 * 384) / 1e6).toBeCloseTo(10.65, 2)

  const text = [await writeText('ab '.repeat(300))]
  const run = { ...tiny, preset: 'nanogpt-char' as const, dropout: 0, lr: 1e-2, heldOut: 0.2, text }
  const { metrics } = await trainLm({ ...run, steps: 60, out: join(test.folder, 'ab') })
  expect(metrics!.loss).toBeLessThan(0.8) // ln 3 for one who does not look
})

it('measures chance as chance', async () => {
  await useBackend(cpu())
  const shape = { ...usualShape, width: 8, heads: 2, layers: 1, length: 8 }
  const model = init(lmOf(lmConfigOf('gpt2', shape, 20)), new Rng(1))
  const tokens = Int32Array.from({ length: 83 }, (_, i) => (i * 7) % 20)
  const { loss, bitsPerByte } = await evaluateTokens(model, tokens, { length: 8, bytes: 41 })
  expect(loss).toBeCloseTo(Math.log(20), 1)
  expect(bitsPerByte).toBeCloseTo((2 * loss) / Math.LN2, 6)
})

it('refuses what it cannot do, and says what to do', async () => {
  const text = [await writeText()]
  const out = join(test.folder, 'run')
  const refused = (options: object) => expect(trainLm({ ...fastest, ...options })).rejects
  await refused({ text, tokens: 'char', vocab: 300 }).toThrow(/leave it out, or take --tokens bpe/)
  await refused({ ...tiny, text, heads: 3, steps: 1, out }).toThrow(/--heads 3: it must divide --width 8/)
  await refused({ ...tiny, text, length: 5000, steps: 1, out }).toThrow(/more than 5001 tokens/)
  await refused({ resume: out, width: 4 }).toThrow(/leave --width out/)
  await refused({ resume: out, preset: 'nanogpt-char' }).toThrow(/leave --preset out/)
  const command = lmCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  await expect(command.parseAsync(['--preset', 'big'], { from: 'user' })).rejects.toThrow(/nanogpt-char/)
})
