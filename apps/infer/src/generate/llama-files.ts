import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { openCheckpoint } from '@filature/checkpoint'
import {
  fromGguf,
  fromLlama2c,
  ggufDialect,
  Llama,
  type Llama2cConfig,
  type LlamaConfig,
  metaDialect,
} from '@filature/llama'
import { CheckpointError, ConfigError } from '@filature/tensor'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import { type CausalModel, contextOf } from './causal-models.ts'
import { ggufTokenizer } from './gguf-tokenizer.ts'
import type { Described } from './open-causal.ts'

/** llama.cpp's single file; its tokenizer is in it. */
export async function describeGguf(target: string): Promise<Described> {
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
  return { name: basename(target), model: llamaOf(config), checkpoint, dialect: ggufDialect(config), tokenizer }
}

const idOf = (key: string, value: unknown) => (value === undefined ? {} : { [key]: Number(value) })

/** Meta's own folder: params.json, consolidated.00.pth, and tokenizer.model there or one folder up. */
export async function describeMeta(target: string): Promise<Described> {
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
  return { name: target, model: llamaOf(config), checkpoint, dialect: metaDialect(config), tokenizer }
}

/** A checkpoint of llama2.c's training script: { model, model_args, ... }; tokenizer.model or .bin beside it. */
export async function describeLlama2c(target: string): Promise<Described> {
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
  return { name: basename(target), model: llamaOf(config), checkpoint, dialect: metaDialect(config), tokenizer }
}

function llamaOf(config: LlamaConfig): CausalModel {
  const { max_position_embeddings, bos_token_id, eos_token_id } = config
  return {
    describe: () => new Llama(config),
    context: contextOf(max_position_embeddings),
    bos: bos_token_id ?? undefined,
    eos: eos_token_id ?? undefined,
  }
}
