import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load, openPretrained } from '@filature/checkpoint'
import { Llama, llamaConfig } from '@filature/llama'
import { cpu, init, Rng, tensor, useBackend } from '@filature/tensor'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import { expect, it } from 'vitest'
import { fastest, newestWeights, scratch } from '../__tests__/scratch.ts'
import { END_OF_TEXT, learnTokenizer, openTokenizer, readTexts, tokenRow } from '../text/corpus.ts'
import { evaluateTokens } from '../text/evaluate-tokens.ts'
import { llamaConfigOf, usualShape } from './recipe.ts'
import { trainLlama } from './train.ts'

const test = scratch()
const LINE = 'Sing in me, Muse, and through me tell the story of that man skilled in all ways of contending.\n'
const tiny = { ...fastest, vocab: 300, width: 8, layers: 1, heads: 2, groups: 1, memory: 12, batch: 2, length: 8 }

async function writeText(name = 'muse.txt', text = LINE.repeat(8)): Promise<string> {
  const path = join(test.folder, name)
  await writeFile(path, text)
  return path
}

it('trains, tests, samples and saves; going on is the same as never having stopped', async () => {
  const text = [await writeText(), await writeText('second.txt', 'Another text, of two lines.\nIts end.\n')]
  const [whole, parts] = [join(test.folder, 'whole'), join(test.folder, 'parts')]
  const options = { ...tiny, text, heldOut: 0.2, steps: 6, evaluateEvery: 3 }
  const result = await trainLlama({ ...options, out: whole })
  expect(result).toMatchObject({ reason: 'finished', step: 6, metrics: { bitsPerByte: expect.any(Number) } })
  expect(test.output()).toContain('  | ') // a sample

  test.interruptAt = /step 3 .* held out/
  expect(await trainLlama({ ...options, out: parts })).toMatchObject({ reason: 'stopped', step: 3 })
  expect((await trainLlama({ ...fastest, resume: parts })).step).toBe(6)
  expect(await newestWeights(parts)).toBe(await newestWeights(whole))
})

it("saves a folder under Hugging Face's names, with the best weights", async () => {
  const out = join(test.folder, 'run')
  const { pretrained } = await trainLlama({ ...tiny, text: [await writeText()], out, steps: 3 })
  await using files = await openPretrained(pretrained!)
  expect(files.config).toMatchObject({ architectures: ['LlamaForCausalLM'], model_type: 'llama' })
  expect(files.checkpoint.names()).toContain('model.layers.0.self_attn.q_proj.weight')
  expect(JSON.parse((await files.text('generation_config.json'))!)).toMatchObject({ eos_token_id: 0 })
  const model = new Llama(llamaConfig(files.config))
  await load(model, files.checkpoint)
  const tokenizer = await loadTokenizerFolder(pretrained!)
  expect(tokenizer.decode(tokenizer.encode(LINE).ids)).toBe(LINE)
  expect(tokenizer.special.eos).toBe(0)
  expect(tokenizer.encode(LINE).ids.length).toBeLessThan(LINE.length / 2) // it has learned merges
  expect(model.logits({ ids: tensor([[0, 1]], [1, 2], 'int32') }).shape).toEqual([1, 2, tokenizer.vocabSize])
})

it('measures what plain counting gives: each token once, bits by bytes', async () => {
  await useBackend(cpu())
  const config = llamaConfigOf({ ...usualShape, width: 8, heads: 2, memory: 12, layers: 1, length: 8 }, 20)
  const model = init(new Llama(config), new Rng(3))
  const tokens = Int32Array.from({ length: 83 }, (_, i) => (i * 7) % 20)
  let nats = 0
  for (let from = 0; from + 1 < tokens.length; from += 8) {
    const ids = [...tokens.subarray(from, Math.min(from + 8, tokens.length - 1))]
    const scores = model.logits({ ids: tensor([ids], [1, ids.length], 'int32') }).dataSync()
    ids.forEach((_, t) => {
      const row = [...scores.subarray(t * 20, (t + 1) * 20)]
      nats += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[tokens[from + t + 1]!]!
    })
  }
  const { loss, bitsPerByte } = await evaluateTokens(model, tokens, { length: 8, bytes: 200 })
  expect(loss).toBeCloseTo(nats / 82, 5)
  expect(bitsPerByte).toBeCloseTo(nats / Math.LN2 / 200, 5)
})

it('holds out the end of every text, at a line, and keeps texts apart', async () => {
  const paths = [await writeText('a.txt', 'one\ntwo\nthree\nfour\n'), await writeText('b.txt', 'five six seven eight')]
  const { train, heldOut } = await readTexts(paths, 0.4)
  expect(train).toEqual(['one\ntwo\n', 'five six '])
  expect(heldOut).toEqual(['three\nfour\n', 'seven eight'])
  const tokenizer = openTokenizer(learnTokenizer(train, 260))
  const ids = tokenRow(tokenizer, [`two ${END_OF_TEXT}`, 'one'])
  expect(ids.filter((id) => id === 0)).toHaveLength(3) // what a text itself says is text
  expect(tokenizer.decode([...ids], { skipSpecialTokens: true })).toBe(`two ${END_OF_TEXT}one`)
})

it('refuses what it cannot do, and says what to do', async () => {
  const text = [await writeText()]
  const out = join(test.folder, 'run')
  await trainLlama({ ...tiny, text, out, steps: 1 })
  const refused = (options: object) => expect(trainLlama({ ...fastest, ...options })).rejects
  await refused({ text, out, steps: 1 }).toThrow(/there is a run in it; go on with --resume/)
  await refused({ ...tiny, text, groups: 4, steps: 1, out: join(test.folder, 'g') }).toThrow(/--groups 4: .* --heads 2/)
  await refused({ ...tiny, text, heldOut: 0, evaluateEvery: 2, steps: 4, out: join(test.folder, 'e') }).toThrow(
    /--evaluate-every: there is nothing to test on/,
  )
  await refused({ resume: out, width: 4 }).toThrow(/leave --width out/)
  await refused({ text: [join(test.folder, 'none.txt')] }).toThrow(/there is no such file/)
  await refused({ ...tiny, text, heads: 3, steps: 1, out: join(test.folder, 'h') }).toThrow(
    /--heads 3: it must divide --width 8/,
  )
  await refused({ ...tiny, text, length: 5000, steps: 1, out: join(test.folder, 'l') }).toThrow(/more than 5001 tokens/)
  await writeFile(text[0]!, 'another text\n'.repeat(50))
  await refused({ resume: out }).toThrow(/not the text of the first run/)
  const run = join(out, 'checkpoint-1/run.json')
  await writeFile(run, (await readFile(run, 'utf8')).replace('"llama"', '"vit"'))
  await refused({ resume: out }).toThrow(/not a run of llama, but of vit/)
})
