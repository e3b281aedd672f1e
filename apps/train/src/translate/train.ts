import { writeFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { parameterCount } from '@filature/tensor'
import type { RunResult } from '@filature/train'
import { begin } from '../run/begin.ts'
import { carryOut } from '../run/carry-out.ts'
import { json } from '../run/folder.ts'
import type { RunOptions } from '../run/options.ts'
import { requireSame } from '../run/same-data.ts'
import { requireBatch, requireDivides } from '../run/shape-rules.ts'
import { say } from '../run/train.ts'
import { BLEU_SIGNATURE } from './bleu.ts'
import { readCorpus } from './corpus.ts'
import { heldOutLoss, type TranslationTest, testTranslator } from './evaluate.ts'
import { pairsFile, type SplitPairs } from './pairs.ts'
import { configOf, shapeOf, startTranslate, type TranslateSettings, type TranslateShape } from './recipe.ts'

/** The command line's options, as commander gives them. */
export interface TranslateOptions extends RunOptions, Partial<TranslateShape> {
  data?: string
  reverse?: boolean
  maxWords?: number
  test?: number
  beams?: number
}

export interface TranslateResult extends RunResult {
  readonly folder: string
  /** On the held-out pairs, by a model of so many parameters; absent when the run was stopped. */
  readonly test?: TranslationTest
  readonly parameters?: number
}

/** What is when nothing is said. */
export const usual = { data: 'es-en', minutes: 45, maxWords: 30, test: 500, beams: 4 } as const

/**
 * `filature-train translate`: trains a translator on sentence pairs, from the beginning or from a checkpoint.
 * @param read what brings the pairs; several runs on the same ones share it
 */
export async function trainTranslate(options: TranslateOptions, read = readCorpus): Promise<TranslateResult> {
  const begun = await begin<TranslateSettings>('translate', options, ['data', 'beams'])
  const { stored } = begun
  const shape = begun.shape(shapeOf(stored ? { model: stored.model } : options))
  if (shape.model === 'transformer') requireDivides(shape, 'heads', 'width')
  const data = stored && options.data === undefined ? stored.data : pairsFile(options.data ?? usual.data)
  const { maxWords = usual.maxWords, reverse = false, test = usual.test } = stored ?? options
  const beams = options.beams ?? stored?.beams ?? usual.beams
  const choice = { data, maxWords, reverse, test, seed: begun.seed, vocab: shape.vocab }
  const { sha256, split, tokenizer, learned, validation, longest, baseline } = await read(choice, begun.kept)
  requireSame(begun, sha256, { where: data, flag: 'data' })
  requireBatch(shape.batch, learned.length, 'pairs')
  const config = await begun.kept('config.json', () => configOf(shape, tokenizer.vocabSize, longest))

  return await carryOut(begun, {
    name: `translate-${basename(data, extname(data))}`,
    own: { ...shape, data, sha256, maxWords, reverse, test, beams },
    usual: { minutes: usual.minutes },
    every: (steps) => Math.max(1, Math.ceil(steps / 10)),
    start: (settings: TranslateSettings) => startTranslate(settings, config, learned),
    describe: ({ model }, settings) => ({
      Data: describeData(data, split),
      Model: `${describeShape(settings)}, ${tokenizer.vocabSize} tokens, ${parameterCount(model)} parameters`,
      Training: `AdamW, learning rate ${settings.lr}; ${settings.steps} steps of ${settings.batch} pairs`,
    }),
    files: { 'config.json': json(config), 'tokenizer.json': json(tokenizer.json) },
    evaluate: validation.length ? ({ translator }) => heldOutLoss(translator, validation) : undefined,
    async finish({ translator, model }, { folder, settings, result: { seconds } }) {
      const words = baseline()
      const parameters = parameterCount(model)
      const tested = await testTranslator(translator, tokenizer, split.test, (s) => words.translate(s), settings.beams)
      await report(tested, folder, { seconds, parameters, settings })
      return { test: tested, parameters }
    },
  })
}

const describeData = (path: string, { train, validation, test }: SplitPairs) =>
  `${path} (${train.length} pairs to learn from, ${validation.length} to validate, ${test.length} to test)`

export function describeShape(shape: TranslateShape): string {
  const { model, layers, width, attention, positions, heads, inputFeeding } = shape
  const size = `${layers} layer${layers === 1 ? '' : 's'} of width ${width}`
  if (model === 'transformer') return `Transformer, ${size}, ${heads} heads, ${positions} positions`
  const feeding = inputFeeding ? ', input feeding' : ''
  return `${model.toUpperCase()}, ${size}, ${attention === 'none' ? 'no attention' : `attention ${attention}`}${feeding}`
}

interface Made {
  readonly seconds: number
  readonly parameters: number
  readonly settings: TranslateSettings
}

/** Says the test's numbers and leaves them as test.json, with all translations. */
async function report(test: TranslationTest, folder: string, { seconds, parameters, settings }: Made): Promise<void> {
  const { bleu, baseline, byLength, examples } = test
  say(`\nBLEU of ${examples.length} held-out sentences (${BLEU_SIGNATURE}), beams of ${settings.beams}:`)
  say(
    `  ${bleu.score.toFixed(2)}  this model (${parameters} parameters, ${(seconds / 60).toFixed(1)} minutes in this run)`,
  )
  say(`  ${baseline.score.toFixed(2)}  word for word (IBM model 1 of the training pairs)`)
  say(`\n  ${'source words'.padEnd(14)}${'sentences'.padStart(10)}${'BLEU'.padStart(9)}${'word for word'.padStart(15)}`)
  for (const { from, to, sentences, bleu: score, baseline: plain } of byLength) {
    say(
      `  ${`${from} to ${to}`.padEnd(14)}${`${sentences}`.padStart(10)}${score.toFixed(2).padStart(9)}${plain.toFixed(2).padStart(15)}`,
    )
  }
  for (const { source, target, translation, wordForWord } of examples.slice(0, 3)) {
    say(`\n  ${source}\n  = ${target}\n  > ${translation}\n  w ${wordForWord}`)
  }
  const summary = { signature: BLEU_SIGNATURE, bleu, baseline, byLength, parameters, seconds, settings, examples }
  await writeFile(join(folder, 'test.json'), json(summary))
}
