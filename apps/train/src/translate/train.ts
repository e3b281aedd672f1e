import { readFile, writeFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { activate, type BackendOptions, describeBackend } from '@filature/command-line'
import { CheckpointError, ConfigError, parameterCount } from '@filature/tensor'
import { HuggingFaceTokenizer, trainBpe } from '@filature/tokenizers'
import type { RunResult } from '@filature/train'
import { json, newRunFolder, refuseWithResume, said, shown, storedRun } from '../run/folder.ts'
import { stepsWithin } from '../run/recipe.ts'
import { say, train } from '../run/train.ts'
import { BLEU_SIGNATURE } from './bleu.ts'
import { encodePairs, heldOutLoss, perplexity, type TranslationTest, testTranslator } from './evaluate.ts'
import { type Pair, pairsFile, readPairs, type SplitPairs, splitPairs } from './pairs.ts'
import { configOf, shapeOf, startTranslate, type TranslateSettings, type TranslateShape } from './recipe.ts'
import { specialTokens, type TranslatorConfig } from './translator.ts'
import { WordForWord } from './word-for-word.ts'

/** The command line's options, as commander gives them. */
export interface TranslateOptions extends BackendOptions, Partial<TranslateShape> {
  data?: string
  reverse?: boolean
  maxWords?: number
  out?: string
  resume?: string
  minutes?: number
  steps?: number
  seed?: number
  test?: number
  beams?: number
  evaluateEvery?: number
  saveEvery?: number
}

export interface TranslateResult extends RunResult {
  readonly folder: string
  readonly parameters: number
  /** On the test sentences; absent when the run was stopped. */
  readonly test?: TranslationTest
}

const DATA = 'es-en'
const MINUTES = 45

/** `filature-train translate`: trains a translator on sentence pairs, from the beginning or from a checkpoint. */
export async function trainTranslate(options: TranslateOptions): Promise<TranslateResult> {
  if (options.resume !== undefined) refuseWithResume(options, ['data', 'beams'])
  const stored =
    options.resume === undefined ? undefined : await storedRun<TranslateSettings>(options.resume, 'translate')
  const shape = stored?.settings ?? shapeOf(options)
  const data = stored && options.data === undefined ? stored.settings.data : pairsFile(options.data ?? DATA)
  const reading = {
    maxWords: stored?.settings.maxWords ?? options.maxWords ?? 40,
    reverse: stored?.settings.reverse ?? options.reverse ?? false,
  }
  const { pairs, sha256 } = await readPairs(data, reading)
  if (stored && stored.settings.sha256 !== sha256) {
    throw new ConfigError(
      'resume-pairs',
      `--resume ${options.resume}: ${data} does not hold the pairs of the first run any more.`,
    )
  }
  const seed = stored?.settings.seed ?? options.seed ?? 1
  const test = stored?.settings.test ?? options.test ?? 500
  const split = splitPairs(pairs, { seed, test })
  const backend = await activate(options)

  const tokenizer = stored ? await storedTokenizer(stored.checkpoint) : newTokenizer(split.train, shape.vocabulary)
  const encoded = encodePairs(tokenizer, split.train)
  const validation = encodePairs(tokenizer, split.validation)
  const longest = Math.max(
    ...[...encoded, ...validation, ...encodePairs(tokenizer, split.test)].flatMap(({ source, target }) => [
      source.length,
      target.length,
    ]),
  )
  const config = stored ? await storedConfig(stored.checkpoint) : configOf(shape, tokenizer.vocabSize, longest)

  let settings: TranslateSettings
  if (stored) {
    const { settings: begun } = stored
    settings = { ...begun, data, steps: options.steps ?? begun.steps, beams: options.beams ?? begun.beams }
  } else {
    const chosen = said<TranslateShape>(shape, Object.keys(shape) as (keyof TranslateShape)[]) as TranslateShape
    const base = {
      command: 'translate' as const,
      data,
      sha256,
      ...reading,
      seed,
      test,
      beams: options.beams ?? 4,
      ...chosen,
    }
    const minutes = options.minutes ?? MINUTES
    const trial = { ...base, steps: 1000, evaluateEvery: 1, saveEvery: 1 }
    if (options.steps === undefined) say(`Measuring this machine to plan ${minutes} minutes of training ...`)
    const steps = options.steps ?? (await stepsWithin(60 * minutes, () => startTranslate(trial, config, encoded)))
    const every = Math.max(1, Math.ceil(steps / 10))
    settings = { ...base, steps, evaluateEvery: options.evaluateEvery ?? every, saveEvery: options.saveEvery ?? every }
  }
  const folder = options.resume ?? (await newRunFolder(options.out, `translate-${basename(data, extname(data))}`))

  using recipe = startTranslate(settings, config, encoded)
  const parameters = parameterCount(recipe.model)
  say(`Backend    ${describeBackend(backend)}`)
  say(`Data       ${describeData(data, split)}`)
  say(`Model      ${describeShape(settings)}, ${tokenizer.vocabSize} tokens, ${parameters} parameters`)
  say(`Training   AdamW, learning rate ${settings.lr}; ${settings.steps} steps of ${settings.batch} pairs`)
  say(`Saves to   ${shown(folder)}`)
  const result = await train({
    folder,
    settings,
    recipe,
    resume: stored !== undefined,
    files: { 'config.json': json(config), 'tokenizer.json': json(tokenizer.json) },
    ...(validation.length ? { evaluate: () => heldOutLoss(recipe.translator, validation) } : {}),
    describe: ({ smoothedLoss, stepsPerSecond }) =>
      `loss ${smoothedLoss.toFixed(3)} (perplexity ${perplexity(smoothedLoss)}) · ${stepsPerSecond.toFixed(1)} steps/s`,
  })
  if (result.reason === 'stopped') return { ...result, folder, parameters }
  const words = new WordForWord(split.train)
  const tested = await testTranslator(
    recipe.translator,
    tokenizer,
    split.test,
    (s) => words.translate(s),
    settings.beams,
  )
  await report(tested, folder, { seconds: result.seconds, parameters, settings })
  return { ...result, folder, parameters, test: tested }
}

function newTokenizer(pairs: readonly Pair[], vocabSize: number): HuggingFaceTokenizer {
  const texts = pairs.flatMap(({ source, target }) => [source, target])
  return new HuggingFaceTokenizer(trainBpe(texts, { vocabSize, specialTokens }))
}

const storedTokenizer = async (folder: string) => new HuggingFaceTokenizer(await stored(join(folder, 'tokenizer.json')))
const storedConfig = async (folder: string) => await stored<TranslatorConfig>(join(folder, 'config.json'))

async function stored<T>(file: string): Promise<T> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new CheckpointError('translate-file', `${file}: it cannot be read (${(error as Error).message}).`)
  }
}

const describeData = (path: string, { train, validation, test }: SplitPairs) =>
  `${path} (${train.length} pairs to learn from, ${validation.length} to validate, ${test.length} to test)`

export function describeShape(shape: TranslateShape): string {
  const { model, layers, hidden, attention, positions, heads, inputFeeding } = shape
  const size = `${layers} layer${layers === 1 ? '' : 's'} of width ${hidden}`
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
