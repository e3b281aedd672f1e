import { Llama, type LlamaConfig, llamaConfig } from '@filature/llama'
import { begin } from '../run/begin.ts'
import { json } from '../run/folder.ts'
import type { RunOptions } from '../run/options.ts'
import { requireDivides } from '../run/shape-rules.ts'
import { learnTokens } from '../text/tokens.ts'
import { type TextResult, trainOnText } from '../text/train-on-text.ts'
import { type LlamaSettings, type LlamaShape, llamaConfigOf, startLlama, usualShape } from './recipe.ts'

/** The command line's options, as commander gives them. */
export interface LlamaOptions extends RunOptions, Partial<LlamaShape> {
  text?: string[]
}

/** `filature-train llama`: trains a LLaMA from scratch on text, from the beginning or from a checkpoint. */
export async function trainLlama(options: LlamaOptions): Promise<TextResult> {
  const begun = await begin<LlamaSettings>('llama', options, ['text'])
  const shape = begun.shape(usualShape, options)
  requireDivides(shape, 'heads', 'width')
  requireDivides(shape, 'groups', 'heads')
  return await trainOnText<LlamaSettings, LlamaConfig>(begun, options.text, shape, {
    tokens: (texts) => learnTokens('bpe', texts, shape.vocab),
    config: (vocabSize) => llamaConfigOf(shape, vocabSize),
    readConfig: (config) => llamaConfig({ ...config }),
    describe: (config) => new Llama(config),
    start: startLlama,
    name: (_, { layers, width, heads, groups }) =>
      `LLaMA, ${layers} layers of width ${width}, ${heads} heads in ${groups} groups`,
    published: () => ({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      torch_dtype: 'float32',
      use_cache: true,
    }),
    files: ({ bos_token_id, eos_token_id }) => ({
      'generation_config.json': json({ bos_token_id, eos_token_id, pad_token_id: eos_token_id }),
    }),
  })
}
