import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load, openCheckpoint, savePretrained } from '@filature/checkpoint'
import { activate, type BackendOptions, describeBackend } from '@filature/command-line'
import { parameterCount, Rng } from '@filature/tensor'
import type { Tokenizer, TokenizerJson } from '@filature/tokenizers'
import type { RunResult } from '@filature/train'
import { bestCheckpoint } from '@filature/train/node'
import { type BertConfig, BertForPreTraining } from '@filature/transformer'
import { json, newRunFolder, refuseWithResume, said, shown, storedRun } from '../run/folder.ts'
import { stepsWithin } from '../run/recipe.ts'
import { say, train } from '../run/train.ts'
import { brownFolder, readBrown, type Sample, splitSamples } from './brown.ts'
import { evaluateBert } from './evaluate.ts'
import { SentencePairs } from './pairs.ts'
import { type BertSettings, type BertShape, bertConfigOf, startBert, usualShape } from './recipe.ts'
import { encodePlain, learnWords, openWords, tokenizerConfig } from './words.ts'

/** The command line's options, as commander gives them. */
export interface BertOptions extends BackendOptions, Partial<BertShape> {
  data?: string
  out?: string
  resume?: string
  minutes?: number
  steps?: number
  seed?: number
  evaluateEvery?: number
  saveEvery?: number
}

export interface BertResult extends RunResult {
  readonly folder: string
  /** The Hugging Face folder with the best weights; absent when the run was stopped. */
  readonly pretrained?: string
}

const MINUTES = 10
/** Held-out batches of each test. */
const TESTED = 8

/** `filature-train bert`: pretrains a BERT on the Brown corpus by masked words and next sentences. */
export async function trainBert(options: BertOptions): Promise<BertResult> {
  if (options.resume !== undefined) refuseWithResume(options, ['data'])
  const stored = options.resume === undefined ? undefined : await storedRun<BertSettings>(options.resume, 'bert')
  const shape = stored?.settings ?? {
    ...usualShape,
    ...said<Partial<BertShape>>(options, Object.keys(usualShape) as (keyof BertShape)[]),
  }
  const data = brownFolder(options.data ?? stored?.settings.data)
  const { train: learned, heldOut } = splitSamples(await readBrown(data))
  const backend = await activate(options)
  const tokenizerJson: TokenizerJson = stored
    ? JSON.parse(await readFile(join(stored.checkpoint, 'tokenizer.json'), 'utf8'))
    : learnWords(
        learned.flatMap(({ sentences }) => sentences),
        shape.vocab,
      )
  const tokenizer = openWords(tokenizerJson)
  const config = bertConfigOf(shape, tokenizer.vocabSize)
  const [documents, tested] = [encodeAll(tokenizer, learned), encodeAll(tokenizer, heldOut)]

  const base = { command: 'bert' as const, data, seed: options.seed ?? 1, ...shape }
  let settings: BertSettings
  if (stored) settings = { ...stored.settings, data, steps: options.steps ?? stored.settings.steps }
  else {
    const probe = { ...base, steps: 1000, evaluateEvery: 1, saveEvery: 1 }
    const steps = options.steps ?? (await planned(options.minutes ?? MINUTES, probe, config, documents))
    const part = Math.max(1, Math.ceil(steps / 8))
    settings = { ...base, steps, evaluateEvery: options.evaluateEvery ?? part, saveEvery: options.saveEvery ?? part }
  }
  const folder = options.resume ?? (await newRunFolder(options.out, 'bert-brown'))
  using recipe = startBert(settings, config, documents)
  const { batch, length, lr, steps, width, layers, heads } = settings
  say(`Backend    ${describeBackend(backend)}`)
  say(`Text       the Brown corpus in ${data} (${count(documents)} tokens to learn from, ${count(tested)} held out)`)
  say(
    `Model      BERT, ${layers} layers of width ${width}, ${heads} heads, ${config.vocab_size} tokens, ` +
      `${parameterCount(recipe.model)} parameters; AdamW, learning rate ${lr}; ${steps} steps of ${batch} x ${length} tokens`,
  )
  say(`Saves to   ${shown(folder)}`)
  const rows = { batchSize: batch, length, vocab: config.vocab_size, rng: new Rng(settings.seed).fork('test') }
  const heldOutPairs = new SentencePairs(tested, rows)
  const files = pretrainedFiles(config, tokenizerJson)
  const batches = Math.min(TESTED, heldOutPairs.batchesPerEpoch)
  const result = await train({
    folder,
    settings,
    recipe,
    files,
    resume: stored !== undefined,
    evaluate: () => evaluateBert(recipe.model, heldOutPairs, batches),
  })
  if (result.metrics) {
    const { words, pairs } = result.metrics
    say(`Held out: ${percent(words!)} of the masked tokens and ${percent(pairs!)} of the pairs are named right.`)
  }
  if (result.reason === 'stopped') return { ...result, folder }
  const pretrained = join(folder, 'model')
  await exportBest(folder, pretrained, config, files)
  say(`The best of it, as Hugging Face's loaders want it: ${shown(pretrained)}`)
  say(`Fine-tune it:  filature-train classify --from ${shown(pretrained)}`)
  return { ...result, folder, pretrained }
}

async function planned(
  minutes: number,
  probe: BertSettings,
  config: BertConfig,
  documents: number[][][],
): Promise<number> {
  say(`Measuring this machine to plan ${minutes} minute${minutes === 1 ? '' : 's'} of training ...`)
  return await stepsWithin(60 * minutes, () => startBert(probe, config, documents))
}

/** Ids of every sentence of every sample. */
export const encodeAll = (tokenizer: Tokenizer, samples: readonly Sample[]): number[][][] =>
  samples.map(({ sentences }) => sentences.map((sentence) => encodePlain(tokenizer, sentence)))

const count = (documents: number[][][]) => documents.flat().reduce((sum, { length }) => sum + length, 0)
const percent = (part: number) => `${(100 * part).toFixed(1)} %`

function pretrainedFiles(config: BertConfig, tokenizer: TokenizerJson): Record<string, string> {
  return {
    'config.json': json({
      architectures: ['BertForPreTraining'],
      model_type: 'bert',
      torch_dtype: 'float32',
      ...config,
    }),
    'tokenizer.json': json(tokenizer),
    'tokenizer_config.json': json(tokenizerConfig),
  }
}

async function exportBest(
  folder: string,
  target: string,
  config: BertConfig,
  { 'config.json': whole, ...files }: Record<string, string>,
): Promise<void> {
  using model = new BertForPreTraining(config)
  await using weights = await openCheckpoint(join(await bestCheckpoint(folder), 'model.safetensors'))
  await load(model, weights)
  await savePretrained(model, target, { config: JSON.parse(whole!), files })
}
