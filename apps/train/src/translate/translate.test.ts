import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { attentionKinds } from '@filature/recurrent'
import { beforeEach, expect, it, vi } from 'vitest'
import { fastest, scratch } from '../__tests__/scratch.ts'
import { compareTranslators } from './compare.ts'
import { shapeOf } from './recipe.ts'
import { trainTranslate } from './train.ts'

const baselines = vi.hoisted(() => vi.fn())
vi.mock('./word-for-word.ts', async (original) => {
  const { WordForWord } = await original<typeof import('./word-for-word.ts')>()
  return {
    WordForWord: class extends WordForWord {
      constructor(pairs: ConstructorParameters<typeof WordForWord>[0]) {
        super(pairs)
        baselines()
      }
    },
  }
})

/** A minute would do on two idle cores; a busy machine takes longer. */
vi.setConfig({ testTimeout: 240_000 })

const test = scratch()
let data: string

/** A language in which every word has one translation and the order is turned round. */
const words = ['rot', 'blau', 'gelb', 'Haus', 'Baum', 'Weg', 'klein', 'alt']
const theirs = ['red', 'blue', 'yellow', 'house', 'tree', 'way', 'small', 'old']
const sentences = Array.from({ length: 160 }, (_, i) =>
  [i % 8, Math.floor(i / 8) % 8, (3 * i + Math.floor(i / 64)) % 8].slice(0, 2 + (i % 2)),
)

beforeEach(async () => {
  data = join(test.folder, 'pairs.tsv')
  const line = (s: number[]) =>
    `${s.map((w) => words[w]).join(' ')}\t${[...s]
      .reverse()
      .map((w) => theirs[w])
      .join(' ')}\n`
  await writeFile(data, sentences.map(line).join(''))
  baselines.mockClear()
})

const small = { width: 16, vocab: 300, batch: 16, test: 8, beams: 2, ...fastest }
const weights = (run: string, step: number) => readFile(join(run, `checkpoint-${step}`, 'model.safetensors'))

it('trains, tests by BLEU against word for word, and resumes bit for bit', async () => {
  const common = { ...small, data, embedding: 12, attention: 'additive' as const, dropout: 0.1 }
  const whole = await trainTranslate({ ...common, steps: 12, out: join(test.folder, 'whole') })
  expect(whole.reason).toBe('finished')
  const report = JSON.parse(await readFile(join(test.folder, 'whole', 'test.json'), 'utf8'))
  expect(report.examples).toHaveLength(8)
  expect(report.bleu.score).toBe(whole.test!.bleu.score)
  expect(report.baseline.referenceLength).toBeGreaterThan(0)
  expect(report.byLength.reduce((sum: number, band: { sentences: number }) => sum + band.sentences, 0)).toBe(8)
  expect(test.output()).toMatch(/tok:13a\|smooth:exp/)
  expect(test.output()).toMatch(/word for word \(IBM model 1/)

  const out = join(test.folder, 'cut')
  test.interruptAt = /step 6 · held out/
  const stopped = await trainTranslate({ ...common, steps: 12, evaluateEvery: 6, out })
  expect([stopped.reason, stopped.step, stopped.test]).toEqual(['stopped', 6, undefined])
  const resumed = await trainTranslate({ resume: out, ...fastest })
  expect(resumed.step).toBe(12)
  expect(resumed.test!.bleu).toEqual(whole.test!.bleu)
  expect(await weights(out, 12)).toEqual(await weights(join(test.folder, 'whole'), 12))
})

it('trains a Transformer, and learns this language', async () => {
  const shape = {
    model: 'transformer',
    positions: 'learned',
    layers: 1,
    heads: 2,
    dropout: 0,
    labelSmoothing: 0,
  } as const
  const result = await trainTranslate({
    ...small,
    ...shape,
    width: 32,
    lr: 5e-3,
    data,
    steps: 150,
    out: join(test.folder, 'run'),
  })
  const config = JSON.parse(
    await readFile(join(test.folder, 'run', `checkpoint-${result.step}`, 'config.json'), 'utf8'),
  )
  expect(config).toMatchObject({ model_type: 'seq2seq_transformer', positions: 'learned', d_model: 32 })
  expect(result.smoothedLoss!).toBeLessThan(1)
})

it('compares all attentions and positions in one table, on one corpus and one baseline', async () => {
  const out = join(test.folder, 'compare')
  const { rows, reason } = await compareTranslators({ ...small, width: 8, data, steps: 2, out })
  const names = [...attentionKinds.map((kind) => `gru ${kind}`), 'transformer sinusoidal', 'transformer learned']
  expect([reason, rows.map(({ name }) => name)]).toEqual(['finished', names])
  expect(baselines).toHaveBeenCalledTimes(1)
  const table = (await readFile(join(out, 'compare.txt'), 'utf8')).split('\n')
  expect(table[0]).toContain('tok:13a|smooth:exp')
  expect(table[1]).toMatch(/^ +all( +\d+-\d+)+ +loss +params +minutes$/)
  for (const [i, { name, bleu, byLength, parameters, seconds }] of rows.entries()) {
    const test = JSON.parse(await readFile(join(out, name.replace(' ', '-'), 'test.json'), 'utf8'))
    expect([bleu, byLength.length]).toEqual([test.bleu.score, test.byLength.length])
    expect([parameters, seconds]).toEqual([test.parameters, test.seconds])
    const cells = table[2 + i]!.slice(24).trim().split(/ +/)
    expect(table[2 + i]!.startsWith(`${name} `)).toBe(true)
    expect(cells).toHaveLength(1 + byLength.length + 3)
    expect([cells[0], cells.at(-2), cells.at(-1)]).toEqual([
      bleu.toFixed(2),
      `${parameters}`,
      (seconds / 60).toFixed(1),
    ])
  }
  expect(new Set(rows.map(({ parameters }) => parameters)).size).toBeGreaterThan(4)
  expect(table[2 + rows.length]).toMatch(/^word for word +\d+\.\d\d/)
  await expect(compareTranslators({ ...small, data, attention: 'dot' })).rejects.toThrow(/leave --attention out/)
})

it('stopped by Ctrl-C, compares those that were trained', async () => {
  let begun = 0
  test.interruptAt = { test: (text) => text.includes('step 1 · held out') && ++begun === 3 }
  const out = join(test.folder, 'compare')
  const { rows, reason } = await compareTranslators({ ...small, width: 8, data, steps: 2, evaluateEvery: 1, out })
  expect(reason).toBe('stopped')
  expect(rows.map(({ name }) => name)).toEqual(attentionKinds.slice(0, 2).map((kind) => `gru ${kind}`))
  expect(await readFile(join(out, 'compare.txt'), 'utf8')).toContain(rows[1]!.name)
})

it('refuses options without effect, missing data and other runs', async () => {
  expect(() => shapeOf({ model: 'transformer', attention: 'dot' })).toThrow(/--attention/)
  expect(() => shapeOf({ model: 'lstm', positions: 'learned' })).toThrow(/--positions/)
  expect(() => shapeOf({ attention: 'none', inputFeeding: true })).toThrow(/--input-feeding/)
  await expect(trainTranslate({ ...small, data: join(test.folder, 'nothing.tsv') })).rejects.toThrow(/there is no file/)
  const odd = { ...small, data, model: 'transformer' as const, heads: 3, steps: 1 }
  await expect(trainTranslate(odd)).rejects.toThrow(/--heads 3: it must divide --width 16/)
  await expect(trainTranslate({ ...small, data, batch: 500, steps: 1 })).rejects.toThrow(
    /--batch 500: there are \d+ pairs/,
  )
  await expect(trainTranslate({ ...small, resume: test.folder })).rejects.toThrow(/leave --/)
})
