import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { save } from '@filature/checkpoint'
import { RecurrentSeq2Seq } from '@filature/recurrent'
import { cpu, init, Rng, useBackend } from '@filature/tensor'
import { trainBpe } from '@filature/tokenizers'
import { Seq2SeqTransformer } from '@filature/transformer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scratch } from '../__tests__/scratch.ts'
import { openTranslator } from './open-translator.ts'

const specialTokens = ['<pad>', '<s>', '</s>']
const json = trainBpe('in the beginning was the word', { vocabSize: 270, specialTokens })
const V = Object.keys((json as { model: { vocab: object } }).model.vocab).length
const sizes = { src_vocab: V, tgt_vocab: V, pad_token_id: 0 }
const recurrent = { ...sizes, embedding_size: 8, hidden_size: 8 }
const transformer = {
  ...sizes,
  d_model: 8,
  nhead: 2,
  num_encoder_layers: 1,
  num_decoder_layers: 2,
  dim_feedforward: 16,
}
const test = scratch()
let folder: string

async function write(name: string, config: object, model: RecurrentSeq2Seq | Seq2SeqTransformer): Promise<string> {
  const where = join(folder, name)
  await mkdir(where)
  init(model, new Rng(1))
  await save(model, where)
  await writeFile(join(where, 'config.json'), JSON.stringify(config))
  await writeFile(join(where, 'tokenizer.json'), JSON.stringify(json))
  return where
}

const models: Record<string, () => Promise<string>> = {
  gru: () => write('gru', { model_type: 'recurrent_seq2seq', ...recurrent }, new RecurrentSeq2Seq(recurrent)),
  hard: () => {
    const config = { ...recurrent, attention: 'hard' as const }
    return write('hard', { model_type: 'recurrent_seq2seq', ...config }, new RecurrentSeq2Seq(config))
  },
  transformer: () =>
    write('transformer', { model_type: 'seq2seq_transformer', ...transformer }, new Seq2SeqTransformer(transformer)),
}
const made: Record<string, string> = {}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-translate-'))
  await useBackend(cpu())
  for (const [name, make] of Object.entries(models)) made[name] = await make()
})
afterAll(() => rm(folder, { recursive: true }))

describe.each(Object.keys(models))('%s', (name) => {
  it.each([1, 3])('translates with %i beams, and says where each token looked', async (beams) => {
    using translator = await openTranslator(made[name]!)
    const { source, target, alignment, text } = await translator.translate('the word', { beams, maxTokens: 5 })
    expect(source.join('')).toBe('the word</s>')
    expect(target.length).toBeGreaterThan(0)
    expect(target.length).toBeLessThanOrEqual(5)
    const said = target.filter((token) => token !== '</s>')
    expect(text).toBe(said.join('').trim())
    expect(target.indexOf('</s>')).toBe(said.length < target.length ? said.length : -1) // the end ends
    expect(alignment).toHaveLength(target.length)
    for (const row of alignment!) {
      expect(row).toHaveLength(source.length)
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
    }
  })
})

it('writes the picture; refuses what it cannot do', async () => {
  const out = join(test.folder, 'alignment.svg')
  const run = (...args: string[]) => test.run('translate', ...args)
  const said = await run('the word', '--model', made.gru!, '--alignment', out, '--max-tokens', '4')
  expect(said.endsWith('\n')).toBe(true)
  expect(test.err).toContain(`Drawn in ${out}`)
  const svg = await readFile(out, 'utf8')
  expect(svg.startsWith('<svg')).toBe(true)
  expect(svg.match(/<rect/g)!.length).toBeGreaterThan(3)
  expect(svg).toContain('&lt;/s&gt;')
  const elsewhere = join(test.folder, 'new', 'out.svg')
  await run('the word', '--model', made.gru!, '--alignment', elsewhere, '--max-tokens', '2')
  expect(await readFile(elsewhere, 'utf8')).toContain('<svg')

  const refused = async (why: RegExp, ...args: string[]) => {
    await expect(run(...args)).rejects.toThrow(why)
    expect(test.out).toBe('') // before anything was translated
  }
  await refused(/wanted a file/, 'word', '--model', made.gru!, '--alignment', folder)
  await refused(/cannot be made/, 'word', '--model', made.gru!, '--alignment', join(out, 'out.svg'))
  await refused(/wanted a sentence/, ' ', '--model', made.gru!)
  const config = { ...recurrent, attention: 'none' as const }
  const none = await write('none', { model_type: 'recurrent_seq2seq', ...config }, new RecurrentSeq2Seq(config))
  await refused(/no attention to draw/, 'word', '--model', none, '--alignment', out)
  const other = await write('other', { model_type: 'char_rnn' }, new RecurrentSeq2Seq(recurrent))
  await refused(/got char_rnn/, 'word', '--model', other)
  await refused(/nowhere/, 'word', '--model', join(folder, 'nowhere'))
})
