import { readFile } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { load, openCheckpoint, savePretrained } from '@filature/checkpoint'
import { activate, type BackendOptions, describeBackend } from '@filature/command-line'
import { stream } from '@filature/generation'
import { Llama, type LlamaConfig, llamaConfig } from '@filature/llama'
import { ConfigError, parameterCount, Rng } from '@filature/tensor'
import type { Tokenizer, TokenizerJson } from '@filature/tokenizers'
import type { RunResult } from '@filature/train'
import { bestCheckpoint } from '@filature/train/node'
import { novel } from '../char/text.ts'
import { json, newRunFolder, refuseWithResume, said, shown, storedRun } from '../run/folder.ts'
import { stepsWithin } from '../run/recipe.ts'
import { say, train } from '../run/train.ts'
import {
  bytesIn,
  learnTokenizer,
  openTokenizer,
  readTexts,
  requireEnough,
  tokenizerConfig,
  tokenRow,
} from './corpus.ts'
import { evaluateLlama } from './evaluate.ts'
import { type LlamaSettings, type LlamaShape, llamaConfigOf, startLlama, usualShape } from './recipe.ts'

/** The command line's options, as commander gives them. */
export interface LlamaOptions extends BackendOptions, Partial<LlamaShape> {
  text?: string[]
  out?: string
  resume?: string
  minutes?: number
  steps?: number
  seed?: number
  evaluateEvery?: number
  saveEvery?: number
}

export interface LlamaResult extends RunResult {
  readonly folder: string
  /** The Hugging Face folder with the best weights; absent when the run was stopped. */
  readonly pretrained?: string
}

const MINUTES = 5
const SAMPLE_TOKENS = 60

/** `filature-train llama`: trains a LLaMA from scratch on text, from the beginning or from a checkpoint. */
export async function trainLlama(options: LlamaOptions): Promise<LlamaResult> {
  if (options.resume !== undefined) refuseWithResume(options, ['text'])
  const stored = options.resume === undefined ? undefined : await storedRun<LlamaSettings>(options.resume, 'llama')
  const shape = stored?.settings ?? {
    ...usualShape,
    ...said<Partial<LlamaShape>>(options, Object.keys(usualShape) as (keyof LlamaShape)[]),
  }
  const paths = options.text?.map((path) => resolve(path)) ?? stored?.settings.texts ?? [novel]
  const { train: texts, heldOut, sha256 } = await readTexts(paths, shape.heldOut)
  if (stored && sha256 !== stored.settings.sha256) {
    throw new ConfigError(
      'resume-text',
      `--resume ${options.resume}: ${paths.join(', ')} is not the text of the first run any more; give that as --text.`,
    )
  }
  const backend = await activate(options)
  const tokenizerJson: TokenizerJson = stored
    ? JSON.parse(await readFile(join(stored.checkpoint, 'tokenizer.json'), 'utf8'))
    : learnTokenizer(texts, shape.vocab)
  const tokenizer = openTokenizer(tokenizerJson)
  const config = stored
    ? llamaConfig(JSON.parse(await readFile(join(stored.checkpoint, 'config.json'), 'utf8')))
    : llamaConfigOf(shape, tokenizer.vocabSize)
  const tokens = tokenRow(tokenizer, texts)
  const tested = heldOut.length ? tokenRow(tokenizer, heldOut) : undefined
  requireEnough(tokens, shape.length, paths)

  let settings: LlamaSettings
  if (stored) settings = { ...stored.settings, texts: paths, steps: options.steps ?? stored.settings.steps }
  else {
    const base = { command: 'llama' as const, texts: paths, sha256, seed: options.seed ?? 1, ...shape }
    const probe = { ...base, steps: 1000, evaluateEvery: 1, saveEvery: 1 }
    const steps = options.steps ?? (await planned(options.minutes ?? MINUTES, probe, config, tokens))
    const part = Math.max(1, Math.ceil(steps / 8))
    settings = { ...base, steps, evaluateEvery: options.evaluateEvery ?? part, saveEvery: options.saveEvery ?? part }
  }
  const name = `llama-${basename(paths[0]!, extname(paths[0]!))}`
  const folder = options.resume ?? (await newRunFolder(options.out, name))

  using recipe = startLlama(settings, config, tokens)
  const { batch, length, lr, steps, width, layers, heads, groups } = settings
  say(`Backend    ${describeBackend(backend)}`)
  say(
    `Text       ${paths.map((path) => basename(path)).join(', ')} (${tokens.length} tokens to learn from, ${tested?.length ?? 0} held out)`,
  )
  say(
    `Model      LLaMA, ${layers} layers of width ${width}, ${heads} heads in ${groups} groups, ${config.vocab_size} tokens, ` +
      `${parameterCount(recipe.model)} parameters; AdamW, learning rate ${lr}; ${steps} steps of ${batch} x ${length} tokens`,
  )
  say(`Saves to   ${shown(folder)}`)
  // Every checkpoint is a folder that Hugging Face's loaders read.
  const files = pretrainedFiles(config, tokenizerJson)
  const bytes = bytesIn(heldOut)
  const result = await train({
    folder,
    settings,
    recipe,
    files,
    resume: stored !== undefined,
    ...(tested ? { evaluate: () => evaluateLlama(recipe.model, tested, bytes) } : {}),
    describe: ({ smoothedLoss, stepsPerSecond }) =>
      `loss ${smoothedLoss.toFixed(3)} nats/token · ${stepsPerSecond.toFixed(1)} steps/s`,
    sample: (step) => sample(recipe.model, tokenizer, new Rng(settings.seed).fork('samples').fork(step)),
  })
  if (result.reason === 'stopped') return { ...result, folder }
  const pretrained = join(folder, 'model')
  await exportBest(folder, pretrained, config, files)
  say(`The best of it, as Hugging Face's loaders want it: ${shown(pretrained)}`)
  say(`Write with it:  filature-infer generate ${shown(pretrained)} --prompt "..."`)
  return { ...result, folder, pretrained }
}

async function planned(
  minutes: number,
  probe: LlamaSettings,
  config: LlamaConfig,
  tokens: Int32Array,
): Promise<number> {
  say(`Measuring this machine to plan ${minutes} minute${minutes === 1 ? '' : 's'} of training ...`)
  return await stepsWithin(60 * minutes, () => startLlama(probe, config, tokens))
}

function pretrainedFiles(config: LlamaConfig, tokenizer: TokenizerJson): Record<string, string> {
  const { bos_token_id, eos_token_id } = config
  return {
    'config.json': json({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      torch_dtype: 'float32',
      use_cache: true,
      ...config,
    }),
    'generation_config.json': json({ bos_token_id, eos_token_id, pad_token_id: eos_token_id }),
    'tokenizer.json': json(tokenizer),
    'tokenizer_config.json': json(tokenizerConfig),
  }
}

async function exportBest(
  folder: string,
  target: string,
  config: LlamaConfig,
  { 'config.json': whole, ...files }: Record<string, string>,
): Promise<void> {
  using model = new Llama(config)
  await using weights = await openCheckpoint(join(await bestCheckpoint(folder), 'model.safetensors'))
  await load(model, weights)
  await savePretrained(model, target, { config: JSON.parse(whole!), files })
}

/** What the model writes from the beginning of a text. */
async function sample(model: Llama, tokenizer: Tokenizer, rng: Rng): Promise<string> {
  const parts: string[] = []
  const maxNewTokens = Math.min(SAMPLE_TOKENS, model.config.max_position_embeddings! - 1)
  const text = () => tokenizer.decodeStream({ skipSpecialTokens: true })
  const end = tokenizer.special.eos!
  for await (const step of stream(model, [end], {
    maxNewTokens,
    sample: true,
    temperature: 0.8,
    rng,
    eosIds: end,
    text,
  })) {
    parts.push(step.text?.[0] ?? '')
  }
  return parts.join('').trim().replace(/^/gm, '  | ')
}
