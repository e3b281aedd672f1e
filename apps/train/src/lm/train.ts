import { ConfigError } from '@filature/tensor'
import { begin } from '../run/begin.ts'
import type { RunOptions } from '../run/options.ts'
import { requireDivides } from '../run/shape-rules.ts'
import { learnTokens } from '../text/tokens.ts'
import { type TextResult, trainOnText } from '../text/train-on-text.ts'
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

/** The command line's options, as commander gives them. */
export interface LmOptions extends RunOptions, Partial<LmShape> {
  preset?: keyof typeof presets
  text?: string[]
}

const NAMES = { gpt2: 'GPT-2', nanogpt: 'nanoGPT' } as const

/** `filature-train lm`: trains a GPT-2, or a preset's model, from scratch on text or from a checkpoint. */
export async function trainLm(options: LmOptions): Promise<TextResult> {
  const begun = await begin<LmSettings>('lm', options, ['text'])
  const preset = options.preset && presets[options.preset]
  const shape: LmShape = begun.shape({ ...usualShape, ...preset?.shape }, options)
  if (shape.tokens === 'char' && options.vocab !== undefined) {
    throw new ConfigError(
      'lm-vocab',
      '--vocab: characters are as many as the text has; leave it out, or take --tokens bpe.',
    )
  }
  requireDivides(shape, 'heads', 'width')
  return await trainOnText<LmSettings, LmConfig>(begun, options.text, shape, {
    tokens: (texts) => learnTokens(shape.tokens, texts, shape.vocab),
    config: (vocabSize) => lmConfigOf(preset?.model ?? 'gpt2', shape, vocabSize),
    readConfig: ownKeys,
    describe: lmOf,
    start: startLm,
    name: ({ model_type }, { layers, width, heads }) =>
      `${NAMES[model_type]}, ${layers} layers of width ${width}, ${heads} heads`,
    published: ({ model_type }) =>
      model_type === 'gpt2' ? { architectures: ['GPT2LMHeadModel'], torch_dtype: 'float32' } : undefined,
  })
}

function ownKeys(config: LmConfig): LmConfig {
  const { architectures: _, torch_dtype: __, ...own } = config as LmConfig & Record<string, unknown>
  return own as LmConfig
}
