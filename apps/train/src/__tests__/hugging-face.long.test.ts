// What training saves, opened by the Python library transformers: names, tokens and scores. Wants a Python with
// transformers and torch, as `python3` or by the environment variable PYTHON; without one the tests are skipped and say
// so. Budget: 1 minute.
import { execFile, execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { load, openPretrained } from '@filature/checkpoint'
import { Llama, llamaConfig } from '@filature/llama'
import { type Module, type Tensor, type Tensor2D, tensor, tidy } from '@filature/tensor'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import { BertForPreTraining, bertConfig, GPT2LMHeadModel, gpt2Config } from '@filature/transformer'
import { describe, expect, it } from 'vitest'
import { KINDS } from '../bert/brown.ts'
import { trainBert } from '../bert/train.ts'
import { trainLlama } from '../llama/train.ts'
import { trainLm } from '../lm/train.ts'
import { fastest, scratch } from './scratch.ts'

const python = process.env.PYTHON ?? 'python3'
const script = fileURLToPath(new URL('hugging-face.py', import.meta.url))
const TEXT = 'Sing in me, Muse, and through me tell the story.'
const test = scratch()

interface Opened {
  class: string
  misfits: string[]
  ids: number[]
  text: string
  shape: number[]
  scores: number[]
  ends: (number | null)[]
}

function hasTransformers(): boolean {
  try {
    execFileSync(python, ['-c', 'import torch, transformers'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function transformers(folder: string, kind: string): Promise<Opened> {
  const { stdout } = await promisify(execFile)(python, [script, folder, kind, TEXT], { maxBuffer: 1 << 28 })
  return JSON.parse(stdout)
}

/** Our scores of the text (T V), on our tokens. */
async function ours<M extends Module>(
  folder: string,
  describe: (config: Record<string, unknown>) => M,
  scores: (model: M, ids: Tensor2D) => Tensor,
): Promise<{ ids: number[]; scores: Float32Array }> {
  await using files = await openPretrained(folder)
  const model = describe(files.config)
  await load(model, files.checkpoint)
  const { ids } = (await loadTokenizerFolder(folder)).encode(TEXT)
  const out = tidy(() => scores(model, tensor([...ids], [1, ids.length], 'int32') as Tensor2D))
  const values = (await out.data()) as Float32Array
  out.dispose()
  model[Symbol.dispose]()
  return { ids: [...ids], scores: values }
}

function expectTheSame(theirs: Opened, mine: { ids: number[]; scores: Float32Array }, vocabulary: number): void {
  expect(theirs.misfits).toEqual([])
  expect(theirs.ids).toEqual(mine.ids)
  expect(theirs.shape).toEqual([1, mine.ids.length, vocabulary])
  mine.scores.forEach((score, i) => {
    expect(Math.abs(score - theirs.scores[i]!)).toBeLessThanOrEqual(1e-5 + 1e-5 * Math.abs(theirs.scores[i]!))
  })
  for (const id of theirs.ends) if (id !== null) expect(id).toBeLessThan(vocabulary)
}

async function writeText(): Promise<string> {
  const path = join(test.folder, 'muse.txt')
  await writeFile(path, `${TEXT} Of that man skilled in all ways of contending, the wanderer.\n`.repeat(12))
  return path
}

const tiny = { ...fastest, width: 16, layers: 2, heads: 2, batch: 2, steps: 3 }

describe.skipIf(!hasTransformers())(`${python} with transformers opens`, () => {
  it('a GPT-2 of lm', async () => {
    const out = join(test.folder, 'lm')
    const { pretrained } = await trainLm({ ...tiny, length: 32, vocab: 300, text: [await writeText()], out })
    const theirs = await transformers(pretrained!, 'AutoModelForCausalLM')
    expect(theirs).toMatchObject({ class: 'GPT2LMHeadModel', text: TEXT })
    const describe = (config: Record<string, unknown>) => new GPT2LMHeadModel(gpt2Config(config))
    const mine = await ours(pretrained!, describe, (model, ids) => model.logits({ ids }))
    expectTheSame(theirs, mine, theirs.shape[2]!)
  })

  it('a LLaMA of llama', async () => {
    const out = join(test.folder, 'llama')
    const { pretrained } = await trainLlama({ ...tiny, length: 32, vocab: 300, text: [await writeText()], out })
    const theirs = await transformers(pretrained!, 'AutoModelForCausalLM')
    expect(theirs).toMatchObject({ class: 'LlamaForCausalLM', text: TEXT })
    const describe = (config: Record<string, unknown>) => new Llama(llamaConfig(config))
    const mine = await ours(pretrained!, describe, (model, ids) => model.logits({ ids }))
    expectTheSame(theirs, mine, theirs.shape[2]!)
  })

  it('a BERT of bert, whose tokenizer puts the text between [CLS] and [SEP]', async () => {
    const [data, out] = [join(test.folder, 'brown'), join(test.folder, 'bert')]
    await mkdir(data)
    const sentence = '\tSing/vb in/in me/ppo ,/, Muse/np ,/, and/cc tell/vb the/at story/nn ./.\n'
    const genres = Object.values(KINDS).map(([genre]) => genre!)
    const names = Array.from({ length: 40 }, (_, n) => `s${n}`)
    for (const name of names) await writeFile(join(data, name), `${sentence}\n`.repeat(12))
    await writeFile(join(data, 'cats.txt'), names.map((name, n) => `${name} ${genres[n % genres.length]}`).join('\n'))
    const { pretrained } = await trainBert({ ...tiny, data, out, vocab: 300, memory: 32, length: 24 })
    const theirs = await transformers(pretrained!, 'BertForPreTraining')
    const describe = (config: Record<string, unknown>) => new BertForPreTraining(bertConfig(config))
    const mine = await ours(pretrained!, describe, (model, ids) => model.scores({ ids }).words)
    expectTheSame(theirs, mine, theirs.shape[2]!)
    expect(theirs.text).toBe(` ${TEXT.toLowerCase()}`)
  })
})
