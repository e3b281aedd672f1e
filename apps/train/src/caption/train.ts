import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { savePretrained } from '@filature/checkpoint'
import type { MiniGPT4 } from '@filature/minigpt4'
import { parameterCount, Rng } from '@filature/tensor'
import type { RunResult } from '@filature/train'
import { activate, type BackendOptions, describeBackend } from '../backend.ts'
import { json, newRunFolder, refuseWithResume, said, shown, storedRun } from '../run/folder.ts'
import { stepsWithin } from '../run/recipe.ts'
import { say, train } from '../run/train.ts'
import { type Drawings, emojiFolder, readDrawings, readEmoji, splitEmoji } from './emoji.ts'
import {
  type CaptionConfig,
  type CaptionSettings,
  type CaptionShape,
  captionConfig,
  learnTokenizer,
  openTokenizer,
  startCaption,
  tokenizerConfig,
  usualShape,
} from './recipe.ts'
import { captionLoss, captions, nearestNames, type Score, scoreOf } from './score.ts'

/** The command line's options, as commander gives them. */
export interface CaptionOptions extends BackendOptions, Partial<CaptionShape> {
  data?: string
  out?: string
  resume?: string
  minutes?: number
  steps?: number
  seed?: number
  evaluateEvery?: number
  saveEvery?: number
}

/** The scores of one set of drawings. */
export interface TestRow {
  readonly set: string
  readonly count: number
  readonly model: Score
  readonly nearest: Score
}

export interface CaptionResult extends RunResult {
  readonly folder: string
  /** Absent when the run was stopped. */
  readonly test?: readonly TestRow[]
}

const MINUTES = 10

/** `filature-train caption`: trains a small MiniGPT-4 to name emoji, from the beginning or from a checkpoint. */
export async function trainCaption(options: CaptionOptions): Promise<CaptionResult> {
  if (options.resume !== undefined) refuseWithResume(options, ['data'])
  const stored = options.resume === undefined ? undefined : await storedRun<CaptionSettings>(options.resume, 'caption')
  const data = stored && options.data === undefined ? stored.settings.data : emojiFolder(options.data)
  const seed = stored?.settings.seed ?? options.seed ?? 1
  const split = splitEmoji(await readEmoji(data), new Rng(seed).fork('split'))
  const learned = await readDrawings(data, 'google', split.train)
  const validation = await readDrawings(data, 'google', split.validation)
  const backend = await activate(options)

  const shape = stored?.settings ?? {
    ...usualShape,
    ...said<Partial<CaptionShape>>(options, Object.keys(usualShape) as (keyof CaptionShape)[]),
  }
  const read = async (name: string) => JSON.parse(await readFile(join(stored!.checkpoint, name), 'utf8'))
  const names = split.train.map(({ name }) => name)
  const tokenizerJson = stored ? await read('tokenizer.json') : learnTokenizer(names, shape.vocab)
  const tokenizer = openTokenizer(tokenizerJson)
  const config: CaptionConfig = stored ? await read('config.json') : captionConfig(shape, tokenizer.vocabSize)

  let settings: CaptionSettings
  if (stored) settings = { ...stored.settings, data, steps: options.steps ?? stored.settings.steps }
  else {
    const base = { command: 'caption' as const, data, seed, ...shape }
    let { steps } = options
    if (steps === undefined) {
      const minutes = options.minutes ?? MINUTES
      say(`Measuring this machine to plan ${minutes} minute${minutes === 1 ? '' : 's'} of training ...`)
      const probe = { ...base, steps: 1000, evaluateEvery: 1, saveEvery: 1 }
      steps = await stepsWithin(60 * minutes, () => startCaption(probe, config, tokenizer, learned))
    }
    const part = Math.max(1, Math.ceil(steps / 8))
    settings = { ...base, steps, evaluateEvery: options.evaluateEvery ?? part, saveEvery: options.saveEvery ?? part }
  }
  const folder = options.resume ?? (await newRunFolder(options.out, 'caption'))

  using recipe = startCaption(settings, config, tokenizer, learned)
  const { model } = recipe
  say(`Backend    ${describeBackend(backend)}`)
  say(
    `Data       ${data} (${names.length} emoji to learn from, ${split.validation.length} held out, ${split.test.length} to test)`,
  )
  say(`Model      MiniGPT-4 of ${parameterCount(model)} parameters: ${describeParts(model)}`)
  say(`Training   AdamW, learning rate ${settings.lr}; ${settings.steps} steps of ${settings.batch} drawings`)
  say(`Saves to   ${shown(folder)}`)
  const files = { 'tokenizer.json': json(tokenizerJson), 'tokenizer_config.json': json(tokenizerConfig) }
  const result = await train({
    folder,
    settings,
    recipe,
    resume: stored !== undefined,
    files: { ...files, 'config.json': json(config) },
    async evaluate() {
      const { wordF1 } = scoreOf(await captions(model, config, validation), namesOf(validation))
      return { loss: await captionLoss(model, config, validation), wordF1 }
    },
  })
  if (result.reason === 'stopped') return { ...result, folder }
  await savePretrained(model, join(folder, 'model'), { config: { ...config }, files })
  const sets = {
    'learned emoji, same artist': learned,
    'never seen, same artist': await readDrawings(data, 'google', split.test),
    'learned emoji, second artist': await readDrawings(data, 'twitter', split.train),
    'never seen, second artist': await readDrawings(data, 'twitter', split.test),
  }
  const test = await testOn(model, config, learned, sets)
  await report(test, folder)
  return { ...result, folder, test }
}

const namesOf = ({ emoji }: Drawings) => emoji.map(({ name }) => name)

async function testOn(
  model: MiniGPT4,
  config: CaptionConfig,
  learned: Drawings,
  sets: Readonly<Record<string, Drawings>>,
): Promise<TestRow[]> {
  const rows: TestRow[] = []
  for (const [set, drawings] of Object.entries(sets)) {
    const names = namesOf(drawings)
    const said = await captions(model, config, drawings)
    // Its own drawing is not a neighbour.
    const nearest = drawings === learned ? names : nearestNames(learned, drawings)
    rows.push({ set, count: names.length, model: scoreOf(said, names), nearest: scoreOf(nearest, names) })
    say(`\n${set}, for example:`)
    for (let i = 0; i < names.length; i += Math.max(1, Math.ceil(names.length / 6))) {
      say(`  ${names[i]}: "${said[i]}"; its nearest: "${nearest[i]}"`)
    }
  }
  return rows
}

function describeParts({ visual_encoder, Qformer, llama_model }: MiniGPT4): string {
  const sizes = { 'EVA-ViT': visual_encoder, 'Q-Former': Qformer!, LLaMA: llama_model }
  return Object.entries(sizes)
    .map(([name, part]) => `${name} ${parameterCount(part)}`)
    .join(', ')
}

async function report(test: readonly TestRow[], folder: string): Promise<void> {
  const percent = (part: number) => `${(100 * part).toFixed(1)} %`.padStart(8)
  say(`\n${''.padEnd(38)}exact names       F1 of words`)
  say(`${''.padEnd(31)}${'model nearest   model nearest'.replaceAll(/\S+/g, (word) => word.padStart(8))}`)
  for (const { set, count, model, nearest } of test) {
    const numbers = [model.exact, nearest.exact, model.wordF1, nearest.wordF1].map(percent).join(' ')
    say(`${`${set} (${count})`.padEnd(36)}${numbers}`)
  }
  await writeFile(join(folder, 'test.json'), json(test))
  say(`\nDescribe a picture with it:  filature-infer describe IMAGE --model ${shown(join(folder, 'model'))}`)
}
