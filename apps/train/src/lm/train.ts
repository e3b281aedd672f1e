import { readFile } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { load, openCheckpoint, savePretrained } from '@filature/checkpoint'
import { activate, type BackendOptions, describeBackend } from '@filature/command-line'
import { stream } from '@filature/generation'
import { type CausalLM, ConfigError, parameterCount, Rng } from '@filature/tensor'
import type { RunResult } from '@filature/train'
import { bestCheckpoint } from '@filature/train/node'
import { novel } from '../char/text.ts'
import { bytesIn, readTexts, requireEnough, tokenRow } from '../llama/corpus.ts'
import { evaluateTokens } from '../run/evaluate-tokens.ts'
import { json, newRunFolder, refuseWithResume, said, shown, storedRun } from '../run/folder.ts'
import { stepsWithin } from '../run/recipe.ts'
import { say, train } from '../run/train.ts'
import {
  type LmConfig,
  type LmSettings,
  type LmShape,
  lmConfigOf,
  lmOf,
  presets,
  startLm,
  usualShape,
} from './recipe.ts'
import { type LmTokens, learnTokens, storedTokens } from './tokens.ts'

/** The command line's options, as commander gives them. */
export interface LmOptions extends BackendOptions, Partial<LmShape> {
  preset?: keyof typeof presets
  text?: string[]
  out?: string
  resume?: string
  minutes?: number
  steps?: number
  seed?: number
  evaluateEvery?: number
  saveEvery?: number
}

export interface LmResult extends RunResult {
  readonly folder: string
  /** The folder with the best weights, config.json and tokenizer.json; absent when the run was stopped. */
  readonly pretrained?: string
}

const MINUTES = 5
const SAMPLE_TOKENS = { bpe: 60, char: 200 }

/** `filature-train lm`: trains a GPT-2, or a preset's model, from scratch on text or from a checkpoint. */
export async function trainLm(options: LmOptions): Promise<LmResult> {
  if (options.resume !== undefined) refuseWithResume(options, ['text'])
  const stored = options.resume === undefined ? undefined : await storedRun<LmSettings>(options.resume, 'lm')
  const preset = options.preset && presets[options.preset]
  const shape: LmShape = stored?.settings ?? {
    ...usualShape,
    ...preset?.shape,
    ...said<Partial<LmShape>>(options, Object.keys(usualShape) as (keyof LmShape)[]),
  }
  if (shape.tokens === 'char' && options.vocab !== undefined) {
    throw new ConfigError(
      'lm-vocab',
      '--vocab: characters are as many as the text has; leave it out, or take --tokens bpe.',
    )
  }
  const paths = options.text?.map((path) => resolve(path)) ?? stored?.settings.texts ?? [novel]
  const texts = await readTexts(paths, shape.heldOut)
  if (stored && texts.sha256 !== stored.settings.sha256) {
    throw new ConfigError(
      'resume-text',
      `--resume ${options.resume}: ${paths.join(', ')} is not the text of the first run any more; give that as --text.`,
    )
  }
  const backend = await activate(options)
  const tokens = stored ? await storedTokens(stored.checkpoint) : learnTokens(shape.tokens, texts, shape.vocab)
  const config: LmConfig = stored
    ? configOf(JSON.parse(await readFile(join(stored.checkpoint, 'config.json'), 'utf8')))
    : lmConfigOf(preset?.model ?? 'gpt2', shape, tokens.tokenizer.vocabSize)
  const learned = tokenRow(tokens.tokenizer, texts.train, tokens.boundary)
  const tested = texts.heldOut.length ? tokenRow(tokens.tokenizer, texts.heldOut, tokens.boundary) : undefined
  requireEnough(learned, shape.length, paths)

  let settings: LmSettings
  if (stored) settings = { ...stored.settings, texts: paths, steps: options.steps ?? stored.settings.steps }
  else {
    const base = { command: 'lm' as const, texts: paths, sha256: texts.sha256, seed: options.seed ?? 1, ...shape }
    const probe = { ...base, steps: 1000, evaluateEvery: 1, saveEvery: 1 }
    const steps = options.steps ?? (await planned(options.minutes ?? MINUTES, probe, config, learned))
    const part = Math.max(1, Math.ceil(steps / 8))
    settings = { ...base, steps, evaluateEvery: options.evaluateEvery ?? part, saveEvery: options.saveEvery ?? part }
  }
  const folder = options.resume ?? (await newRunFolder(options.out, `lm-${basename(paths[0]!, extname(paths[0]!))}`))

  using recipe = startLm(settings, config, learned)
  const { batch, length, lr, steps, width, layers, heads } = settings
  say(`Backend    ${describeBackend(backend)}`)
  say(
    `Text       ${paths.map((path) => basename(path)).join(', ')} (${learned.length} ` +
      `${settings.tokens === 'char' ? 'characters' : 'tokens'} to learn from, ${tested?.length ?? 0} held out)`,
  )
  say(
    `Model      ${NAMES[config.model_type]}, ${layers} layers of width ${width}, ${heads} heads, ${config.vocab_size} tokens, ` +
      `${parameterCount(recipe.model)} parameters; AdamW, learning rate ${lr}; ${steps} steps of ${batch} x ${length} tokens`,
  )
  say(`Saves to   ${shown(folder)}`)
  const files = { 'config.json': json({ ...PUBLISHED[config.model_type], ...config }), ...tokens.files }
  const bytes = bytesIn(texts.heldOut)
  const result = await train({
    folder,
    settings,
    recipe,
    files,
    resume: stored !== undefined,
    ...(tested ? { evaluate: () => evaluateTokens(recipe.model, tested, { length, bytes }) } : {}),
    describe: ({ smoothedLoss, stepsPerSecond }) =>
      `loss ${smoothedLoss.toFixed(3)} nats/token · ${stepsPerSecond.toFixed(1)} steps/s`,
    sample: (step) => sample(recipe.model, settings, tokens, step),
  })
  if (result.metrics) {
    const { loss, bitsPerByte } = result.metrics
    say(`Held out: ${loss!.toFixed(3)} nats/token, ${bitsPerByte!.toFixed(3)} bits/byte.`)
  }
  if (result.reason === 'stopped') return { ...result, folder }
  const pretrained = join(folder, 'model')
  await exportBest(folder, pretrained, config, files)
  say(`The best of it: ${shown(pretrained)}`)
  return { ...result, folder, pretrained }
}

const NAMES = { gpt2: 'GPT-2', nanogpt: 'nanoGPT' } as const
/** What Hugging Face's loaders want beside the model's own keys. */
const PUBLISHED = { gpt2: { architectures: ['GPT2LMHeadModel'], torch_dtype: 'float32' }, nanogpt: {} } as const

/** The model's own keys of a config.json. */
function configOf({ architectures: _, torch_dtype: __, ...config }: LmConfig & Record<string, unknown>): LmConfig {
  return config as LmConfig
}

async function planned(minutes: number, probe: LmSettings, config: LmConfig, tokens: Int32Array): Promise<number> {
  say(`Measuring this machine to plan ${minutes} minute${minutes === 1 ? '' : 's'} of training ...`)
  return await stepsWithin(60 * minutes, () => startLm(probe, config, tokens))
}

async function exportBest(
  folder: string,
  target: string,
  config: LmConfig,
  { 'config.json': whole, ...files }: Record<string, string>,
): Promise<void> {
  using model = lmOf(config)
  await using weights = await openCheckpoint(join(await bestCheckpoint(folder), 'model.safetensors'))
  await load(model, weights)
  await savePretrained(model, target, { config: JSON.parse(whole!), files })
}

/** What the model writes from the beginning of a text. */
async function sample(
  model: CausalLM,
  { tokens, length, seed }: LmSettings,
  { tokenizer, boundary }: LmTokens,
  step: number,
): Promise<string> {
  const parts: string[] = []
  const text = () => tokenizer.decodeStream({ skipSpecialTokens: true })
  const end = tokenizer.special.eos
  for await (const { text: said } of stream(model, [boundary], {
    maxNewTokens: Math.min(SAMPLE_TOKENS[tokens], length - 1),
    sample: true,
    temperature: 0.8,
    rng: new Rng(seed).fork('samples').fork(step),
    ...(end === undefined ? {} : { eosIds: end }),
    text,
  })) {
    parts.push(said?.[0] ?? '')
  }
  return parts.join('').trim().replace(/^/gm, '  | ')
}
