import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { save } from '@filature/checkpoint'
import { RecurrentSeq2Seq } from '@filature/recurrent'
import { cpu, init, Rng, useBackend } from '@filature/tensor'
import { trainBpe } from '@filature/tokenizers'
import { Seq2SeqTransformer } from '@filature/transformer'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { program } from '../program.ts'
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
  const [out, log] = [join(folder, 'alignment.svg'), vi.spyOn(console, 'log').mockImplementation(() => {})]
  const error = vi.spyOn(console, 'error').mockImplementation(() => {})
  try {
    const run = (...args: string[]) => program().parseAsync(['node', 'infer', 'translate', '--backend', 'cpu', ...args])
    await run('the word', '--model', made.gru!, '--alignment', out, '--max-tokens', '4')
    const svg = await readFile(out, 'utf8')
    expect(svg.startsWith('<svg')).toBe(true)
    expect(svg.match(/<rect/g)!.length).toBeGreaterThan(3)
    expect(svg).toContain('&lt;/s&gt;')
    await run('the word', '--model', made.gru!, '--alignment', join(folder, 'new', 'out.svg'), '--max-tokens', '2')
    expect(await readFile(join(folder, 'new', 'out.svg'), 'utf8')).toContain('<svg')
    log.mockClear()
    await expect(run('word', '--model', made.gru!, '--alignment', folder)).rejects.toThrow(/wanted a file/)
    const beneath = join(out, 'out.svg') // a file is no folder
    await expect(run('word', '--model', made.gru!, '--alignment', beneath)).rejects.toThrow(/cannot be made/)
    await expect(run(' ', '--model', made.gru!)).rejects.toThrow(/wanted a sentence/)
    const config = { ...recurrent, attention: 'none' as const }
    const none = await write('none', { model_type: 'recurrent_seq2seq', ...config }, new RecurrentSeq2Seq(config))
    await expect(run('word', '--model', none, '--alignment', out)).rejects.toThrow(/no attention to draw/)
    expect(log).not.toHaveBeenCalled() // refused before anything was translated
    const other = await write('other', { model_type: 'char_rnn' }, new RecurrentSeq2Seq(recurrent))
    await expect(run('word', '--model', other)).rejects.toThrow(/got char_rnn/)
    await expect(run('word', '--model', join(folder, 'nowhere'))).rejects.toThrow(/nowhere/)
  } finally {
    log.mockRestore()
    error.mockRestore()
  }
})
