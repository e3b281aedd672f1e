import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { type Checkpoint, type HeldDtype, load, openCheckpoint, openPretrained } from '@filature/checkpoint'
import { type GenerateOptions, optionsFromConfig } from '@filature/generation'
import {
  fromGguf,
  fromLlama2c,
  ggufDialect,
  Llama,
  type Llama2cConfig,
  type LlamaConfig,
  llamaConfig,
  metaDialect,
} from '@filature/llama'
import { CheckpointError, ConfigError, type Dialect } from '@filature/tensor'
import { loadTokenizer, type Tokenizer } from '@filature/tokenizers'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import { bestCheckpoint, newestCheckpoint } from '@filature/train/node'
import { ggufTokenizer } from './gguf-tokenizer.ts'

export const formats = ['hf', 'gguf', 'meta', 'llama2c'] as const
export type Format = (typeof formats)[number]

/** A LLaMA with its weights and its tokenizer. */
export interface OpenLlama {
  readonly name: string
  readonly model: Llama
  readonly tokenizer: Tokenizer
  /** What the model's own generation_config.json says; empty for the other formats. */
  readonly defaults: GenerateOptions
}

export interface OpenLlamaOptions {
  /** Told from the target when left out. */
  readonly format?: Format
  readonly dtype?: HeldDtype
  /** A tokenizer's folder or file, in place of the one beside the weights. */
  readonly tokenizer?: string
  readonly onProgress?: (part: number) => void
}

/** What a format knows before weights are read. */
interface Described {
  readonly name: string
  readonly config: LlamaConfig
  readonly checkpoint: Checkpoint
  readonly dialect?: Dialect
  readonly tokenizer: () => Promise<Tokenizer>
  readonly defaults?: GenerateOptions
}

const readers: Record<Format, (target: string) => Promise<Described>> = {
  hf: describeHuggingFace,
  gguf: describeGguf,
  meta: describeMeta,
  llama2c: describeLlama2c,
}

export async function openLlama(target: string, options: OpenLlamaOptions = {}): Promise<OpenLlama> {
  const described = await readers[options.format ?? (await formatOf(target))](target)
  await using checkpoint = described.checkpoint
  const { name, config, dialect, defaults = {} } = described
  const tokenizer = await (options.tokenizer ? readTokenizer(options.tokenizer) : described.tokenizer())
  const model = new Llama(config)
  await load(model, checkpoint, {
    ...(dialect ? { dialect } : {}),
    dtype: options.dtype ?? 'float32',
    onProgress: ({ done, total }) => options.onProgress?.(done / total),
  })
  return { name, model, tokenizer, defaults }
}

async function formatOf(target: string): Promise<Format> {
  if (target.endsWith('.gguf')) return 'gguf'
  if (/\.(pt|pth)$/.test(target)) return 'llama2c'
  if (existsSync(join(target, 'params.json'))) return 'meta'
  const file = await stat(target).catch(() => undefined)
  if (file?.isFile()) {
    throw new ConfigError(
      'generate-format',
      `${target}: wanted a folder, a .gguf or a llama2.c .pt file; say what it is with --format ${formats.join('|')}.`,
    )
  }
  return 'hf'
}

/** A Hugging Face folder, an id on the hub, or a run of `filature-train llama` (its best checkpoint). */
async function describeHuggingFace(target: string): Promise<Described> {
  const isRun = !existsSync(join(target, 'config.json')) && (await newestCheckpoint(target).catch(() => undefined))
  const folder = isRun ? await bestCheckpoint(target) : target
  const files = await openPretrained(folder)
  try {
    const type = files.config.model_type
    if (type !== undefined && type !== 'llama') {
      throw new ConfigError('generate-model', `${folder}: wanted a model of type llama, its config.json says ${type}.`)
    }
    const generation = await files.text('generation_config.json')
    const defaults = generation === undefined ? {} : optionsFromConfig(JSON.parse(generation))
    const tokenizer = () => loadTokenizer((name) => files.bytes(name))
    return { name: files.name, config: llamaConfig(files.config), checkpoint: files.checkpoint, tokenizer, defaults }
  } catch (error) {
    await files.close()
    throw error
  }
}

async function describeGguf(target: string): Promise<Described> {
  const checkpoint = await openCheckpoint(target)
  const metadata = Object.fromEntries(checkpoint.metadata)
  const architecture = metadata['general.architecture']
  if (architecture !== 'llama') {
    await checkpoint.close()
    throw new ConfigError('generate-model', `${target}: wanted the architecture llama, got ${architecture}.`)
  }
  const config = {
    ...fromGguf(metadata),
    tie_word_embeddings: !checkpoint.has('output.weight'),
    ...idOf('bos_token_id', metadata['tokenizer.ggml.bos_token_id']),
    ...idOf('eos_token_id', metadata['tokenizer.ggml.eos_token_id']),
  }
  const tokenizer = async () => ggufTokenizer(metadata, target)
  return { name: basename(target), config, checkpoint, dialect: ggufDialect(config), tokenizer }
}

const idOf = (key: string, value: unknown) => (value === undefined ? {} : { [key]: Number(value) })

/** Meta's own folder: params.json, consolidated.00.pth, and tokenizer.model there or one folder up. */
async function describeMeta(target: string): Promise<Described> {
  const file = join(target, 'params.json')
  let params: Record<string, number>
  try {
    params = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new CheckpointError('meta-params', `${file}: it cannot be read (${(error as Error).message}).`)
  }
  if (existsSync(join(target, 'consolidated.01.pth'))) {
    throw new ConfigError(
      'meta-parts',
      `${target}: its weights are cut in parts for several devices (consolidated.01.pth), which is not supported; ` +
        'take the same model in the Hugging Face format.',
    )
  }
  if (params.use_scaled_rope) {
    throw new ConfigError(
      'meta-rope',
      `${target}: params.json says use_scaled_rope; take the same model in the Hugging Face format.`,
    )
  }
  const checkpoint = await openCheckpoint(join(target, 'consolidated.00.pth'))
  // Sizes that params.json leaves to the code (vocab_size -1, multipliers) are those of the weights.
  const [vocab_size] = checkpoint.info('tok_embeddings.weight').shape
  const [hidden_dim] = checkpoint.info('layers.0.feed_forward.w1.weight').shape
  const config: LlamaConfig = {
    ...fromLlama2c({ ...(params as unknown as Llama2cConfig), vocab_size: vocab_size!, hidden_dim: hidden_dim! }),
    ...(params.rope_theta ? { rope_theta: params.rope_theta } : {}),
    tie_word_embeddings: !checkpoint.has('output.weight'),
  }
  const tokenizer = () => loadTokenizerFolder(existsSync(join(target, 'tokenizer.model')) ? target : dirname(target))
  return { name: target, config, checkpoint, dialect: metaDialect(config), tokenizer }
}

/** A checkpoint of llama2.c's training script: { model, model_args, ... }; tokenizer.model or .bin beside it. */
async function describeLlama2c(target: string): Promise<Described> {
  const whole = await openCheckpoint(target)
  const args = whole.metadata.get('model_args')
  await whole.close()
  if (!args || typeof args !== 'object') {
    throw new CheckpointError(
      'llama2c-args',
      `${target}: wanted a llama2.c checkpoint with model and model_args, found no model_args.`,
    )
  }
  const given = (args instanceof Map ? Object.fromEntries(args) : args) as unknown as Llama2cConfig
  const checkpoint = await openCheckpoint(target, { part: 'model' })
  const config = fromLlama2c(given)
  const tokenizer = () => loadTokenizerFolder(dirname(target))
  return { name: basename(target), config, checkpoint, dialect: metaDialect(config), tokenizer }
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
