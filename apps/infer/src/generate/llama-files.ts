import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { openCheckpoint, openPretrained } from '@filature/checkpoint'
import {
  fromGguf,
  fromLlama2c,
  fromMeta,
  ggufDialect,
  Llama,
  type Llama2cConfig,
  type LlamaConfig,
  type MetaParams,
  metaDialect,
} from '@filature/llama'
import { CheckpointError, ConfigError } from '@filature/tensor'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import { type CausalModel, contextOf, type Described } from './causal-models.ts'
import { ggufTokenizer } from './gguf-tokenizer.ts'

/** llama.cpp's single file; its tokenizer is in it. */
export async function describeGguf(target: string): Promise<Described> {
  const checkpoint = await openCheckpoint(target)
  const metadata = Object.fromEntries(checkpoint.metadata)
  const architecture = metadata['general.architecture']
  if (architecture !== 'llama') {
    await checkpoint.close()
    throw new ConfigError('generate-model', `${target}: wanted the architecture llama, got ${architecture}.`)
  }
  const ropeFactors = checkpoint.has(ropeFreqs) ? await checkpoint.read(ropeFreqs) : undefined
  const config = {
    ...fromGguf(metadata, ropeFactors as Float32Array | undefined),
    tie_word_embeddings: !checkpoint.has('output.weight'),
  }
  const tokenizer = async () => ggufTokenizer(metadata, target)
  return { name: basename(target), model: llamaOf(config), checkpoint, dialect: ggufDialect(config), tokenizer }
}

const ropeFreqs = 'rope_freqs.weight'

/** Meta's own folder: params.json, consolidated.00.pth and its further parts; tokenizer.model there or one folder up. */
export async function describeMeta(target: string): Promise<Described> {
  const { config: params, checkpoint } = await openPretrained(target)
  try {
    const [vocab_size] = checkpoint.info('tok_embeddings.weight').shape
    const config = fromMeta(params as MetaParams, {
      vocab_size: vocab_size!,
      tie_word_embeddings: !checkpoint.has('output.weight'),
    })
    const tokenizer = () => loadTokenizerFolder(existsSync(join(target, 'tokenizer.model')) ? target : dirname(target))
    return { name: target, model: llamaOf(config), checkpoint, dialect: metaDialect(config), tokenizer }
  } catch (error) {
    await checkpoint.close()
    throw error
  }
}

/**
 * llama2.c's own: what its training script saved ({ model, model_args, ... }), or the .bin that it exports. The
 * tokenizer.model or .bin stands beside it.
 */
export async function describeLlama2c(target: string): Promise<Described> {
  const whole = await openCheckpoint(target)
  const exported = whole.format === 'llama2c'
  const args = exported ? whole.metadata : whole.metadata.get('model_args')
  if (!exported) await whole.close()
  if (!args || typeof args !== 'object') {
    throw new CheckpointError(
      'llama2c-args',
      `${target}: wanted a llama2.c checkpoint with model and model_args, found no model_args.`,
    )
  }
  const given = (args instanceof Map ? Object.fromEntries(args) : args) as unknown as Llama2cConfig
  const checkpoint = exported ? whole : await openCheckpoint(target, { part: 'model' })
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
