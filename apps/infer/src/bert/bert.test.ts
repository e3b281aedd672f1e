import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { savePretrained } from '@filature/checkpoint'
import { init, type Module, Rng, tensor } from '@filature/tensor'
import { trainBpe } from '@filature/tokenizers'
import { type BertConfig, BertForMaskedLM, BertForPreTraining, BertModel } from '@filature/transformer'
import { expect, it } from 'vitest'
import { scratch } from '../__tests__/scratch.ts'
import { openBert } from './open-bert.ts'
import { idsOf, readWithBert } from './read.ts'

const names = ['[PAD]', '[CLS]', '[SEP]', '[MASK]']
const tokenizer = trainBpe([' the cat sat on the mat.'.repeat(20)], { vocabSize: 280, specialTokens: names })
const roles = { pad_token: '[PAD]', cls_token: '[CLS]', sep_token: '[SEP]', mask_token: '[MASK]' }
const config: BertConfig = {
  vocab_size: 280,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 12,
  max_position_embeddings: 16,
  initializer_range: 0.5,
}

const test = scratch()

async function saved<M extends Module>(model: M, name = 'model'): Promise<{ model: M; path: string }> {
  const path = join(test.folder, name)
  const files = { 'tokenizer.json': JSON.stringify(tokenizer), 'tokenizer_config.json': JSON.stringify(roles) }
  await savePretrained(init(model, new Rng(3)), path, { config: { model_type: 'bert', ...config }, files })
  return { model, path }
}
const infer = (...args: string[]) => test.run('bert', ...args)

it('names masked words as the model itself does, and reads patterns that sum to one', async () => {
  const { model } = await saved(new BertForPreTraining(config))
  using opened = await openBert(test.folder) // a run: its `model`
  const ids = idsOf(opened, 'the [MASK] sat on the [MASK].')
  expect(ids.filter((id) => id === 3)).toHaveLength(2)
  expect([ids[0], ids.at(-1)]).toEqual([1, 2])
  expect(opened.tokenizer.decode(ids)).toBe('[CLS] the[MASK] sat on the[MASK].[SEP]')
  const reading = await readWithBert(opened, 'the [MASK] sat on the [MASK].', 280)
  const scores = model.scores({ ids: tensor([ids], [1, ids.length], 'int32') }).words.dataSync()
  const row = [...scores.subarray(ids.indexOf(3) * 280, (ids.indexOf(3) + 1) * 280)].map(Math.exp)
  const sum = row.reduce((a, b) => a + b, 0)
  expect(reading.masks).toHaveLength(2)
  for (const { id, probability } of reading.masks[0]!) expect(probability).toBeCloseTo(row[id]! / sum, 5)
  expect(reading.masks[0]![0]!.id).toBe(row.indexOf(Math.max(...row)))
  expect(reading.attention.map((heads) => heads.length)).toEqual([2, 2])
  for (const weights of reading.attention.flat(2)) expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
})

it('prints the filled text and a table, and draws a picture a layer', async () => {
  const { path } = await saved(new BertForMaskedLM(config))
  const maps = join(test.folder, 'maps')
  const said = await infer('the [MASK] sat', '--model', path, '--out', maps, '--top', '3')
  const [filled, table] = said.split('\n\n')
  expect(filled).toMatch(/^the.* sat$/s)
  expect(table!.trimEnd().split('\n')).toHaveLength(3)
  expect(table).toMatch(/^ *\d+\.\d\d % {3}\S/)
  expect((await readdir(maps)).sort()).toEqual(['layer-0.svg', 'layer-1.svg'])
  const svg = await readFile(join(maps, 'layer-1.svg'), 'utf8')
  const T = 5 // [CLS] the [MASK] sat [SEP]
  expect(svg.match(/<rect [^>]*rgba/g)).toHaveLength(2 * T * T)
  expect(svg).toContain('Head 1')
  expect(svg).toContain('[MASK]')
})

it('refuses what it cannot do, and says what to do', async () => {
  const { path } = await saved(new BertForMaskedLM(config))
  await expect(infer('no mask', '--model', path)).rejects.toThrow(/no \[MASK\] in the text.*--out/)
  await expect(infer('no mask', '--model', path, '--out', 'maps', '--top', '3')).rejects.toThrow(/--top: there is no/)
  await expect(infer(' ', '--model', path)).rejects.toThrow(/wanted a text/)
  await expect(infer(`[MASK] ${'xyz '.repeat(20)}`, '--model', path)).rejects.toThrow(/at most 16 tokens.*shorten/)
  const bare = await saved(new BertModel(config), 'bare')
  await expect(infer('[MASK]', '--model', bare.path)).rejects.toThrow(/no cls\.predictions/)
})
