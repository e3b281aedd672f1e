import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { type HeldDtype, load } from '@filature/checkpoint'
import { type GenerateOptions, optionsFromConfig } from '@filature/generation'
import { type CausalLM, ConfigError } from '@filature/tensor'
import { loadTokenizer, type Tokenizer } from '@filature/tokenizers'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import { openModel } from '../open-model.ts'
import { causalModel, type Described } from './causal-models.ts'
import { describeGguf, describeLlama2c, describeMeta } from './llama-files.ts'

export const formats = ['hf', 'gguf', 'meta', 'llama2c'] as const
export type Format = (typeof formats)[number]

/** A causal language model with its weights and its tokenizer. */
export interface OpenCausal {
  readonly name: string
  readonly model: CausalLM
  readonly tokenizer: Tokenizer
  /** Tokens that the model sees at most. */
  readonly context: number
  /** The token that a text begins with, where there is one. */
  readonly bos: number | undefined
  /** Tokens that end a text. */
  readonly eos: readonly number[]
  /** What the model's own generation_config.json says; empty for the other formats. */
  readonly defaults: GenerateOptions
}

export interface OpenCausalOptions {
  /** Told from the target when left out. */
  readonly format?: Format
  readonly dtype?: HeldDtype
  /** A tokenizer's folder or file, in place of the one beside the weights. */
  readonly tokenizer?: string
  readonly onProgress?: (part: number) => void
}

const readers: Record<Format, (target: string) => Promise<Described>> = {
  hf: describeHuggingFace,
  gguf: describeGguf,
  meta: describeMeta,
  llama2c: describeLlama2c,
}

/** Opens whatever `filature-infer generate` takes. */
export async function openCausal(target: string, options: OpenCausalOptions = {}): Promise<OpenCausal> {
  const described = await readers[options.format ?? (await formatOf(target))](target)
  await using checkpoint = described.checkpoint
  const { name, dialect, defaults = {} } = described
  const { describe, context, bos, eos } = described.model
  const tokenizer = await (options.tokenizer ? readTokenizer(options.tokenizer) : described.tokenizer())
  const model = describe()
  await load(model, checkpoint, {
    ...(dialect ? { dialect } : {}),
    dtype: options.dtype ?? 'float32',
    onProgress: ({ done, total }) => options.onProgress?.(done / total),
  })
  const ends = new Set([tokenizer.special.eos, ...[eos ?? []].flat()])
  return {
    name,
    model,
    tokenizer,
    context,
    // a model of characters begins where a line does
    bos: tokenizer.special.bos ?? bos ?? tokenizer.tokenToId('\n'),
    eos: [...ends].filter((id): id is number => id !== undefined && id < tokenizer.vocabSize),
    defaults,
  }
}

async function formatOf(target: string): Promise<Format> {
  if (target.endsWith('.gguf')) return 'gguf'
  if (/\.(pt|pth|bin)$/.test(target)) return 'llama2c'
  if (existsSync(join(target, 'params.json')) && !existsSync(join(target, 'config.json'))) return 'meta'
  const file = await stat(target).catch(() => undefined)
  if (file?.isFile()) {
    throw new ConfigError(
      'generate-format',
      `${target}: wanted a folder, a .gguf or a llama2.c .pt or .bin file; say what it is with --format ${formats.join('|')}.`,
    )
  }
  return 'hf'
}

/** A Hugging Face folder, an id on the hub, or a run of `filature-train llama` or `lm`. */
async function describeHuggingFace(target: string): Promise<Described> {
  const files = await openModel(target)
  try {
    const { dialect, ...model } = causalModel(files.config, target)
    const generation = await files.text('generation_config.json')
    const defaults = generation === undefined ? {} : optionsFromConfig(JSON.parse(generation))
    const tokenizer = () => loadTokenizer((name) => files.bytes(name))
    const { name, checkpoint } = files
    return { name, model, checkpoint, dialect: dialect?.(checkpoint), tokenizer, defaults }
  } catch (error) {
    await files.close()
    throw error
  }
}

const fileNames: Record<string, string> = {
  '.json': 'tokenizer.json',
  '.model': 'tokenizer.model',
  '.bin': 'tokenizer.bin',
}

async function readTokenizer(path: string): Promise<Tokenizer> {
  const entry = await stat(path).catch(() => undefined)
  if (!entry) throw new ConfigError('generate-tokenizer', `--tokenizer ${path}: there is no such file or folder.`)
  if (entry.isDirectory()) return await loadTokenizerFolder(path)
  const name = fileNames[extname(path)]
  if (!name) {
    throw new ConfigError(
      'generate-tokenizer',
      `--tokenizer ${path}: wanted a folder, or a file ending in ${Object.keys(fileNames).join(', ')}.`,
    )
  }
  return await loadTokenizer(async (wanted) => (wanted === name ? await readFile(path) : undefined))
}
