import { join } from 'node:path'
import { load, openCheckpoint, savePretrained } from '@filature/checkpoint'
import type { MiniGPT4 } from '@filature/minigpt4'
import { parameterCount, Rng } from '@filature/tensor'
import type { Tokenizer, TokenizerJson } from '@filature/tokenizers'
import type { RunResult } from '@filature/train'
import { newestCheckpoint } from '@filature/train/node'
import { begin } from '../run/begin.ts'
import { carryOut } from '../run/carry-out.ts'
import { json } from '../run/folder.ts'
import type { RunOptions } from '../run/options.ts'
import { requireSame, sha256Of } from '../run/same-data.ts'
import { requireBatch } from '../run/shape-rules.ts'
import { emojiFolder, readDrawings, readEmoji, splitEmoji } from './emoji.ts'
import { headsOfLearner } from './learner.ts'
import {
  type CaptionConfig,
  type CaptionSettings,
  type CaptionShape,
  captionConfig,
  describeModel,
  learnTokenizer,
  openTokenizer,
  startCaption,
  tokenizerConfig,
  usualShape,
} from './recipe.ts'
import { report, type TestRow, testOn } from './report.ts'
import { answersOf, scoreOf } from './score.ts'

/** The command line's options, as commander gives them. */
export interface CaptionOptions extends RunOptions, Partial<CaptionShape> {
  data?: string
}

export interface CaptionResult extends RunResult {
  readonly folder: string
  /** Absent when the run was stopped. */
  readonly test?: readonly TestRow[]
}

/** How long a run is when nothing is said. */
export const MINUTES = 25

/** `filature-train caption`: trains a small MiniGPT-4 to name emoji, from the beginning or from a checkpoint. */
export async function trainCaption(options: CaptionOptions): Promise<CaptionResult> {
  const begun = await begin<CaptionSettings>('caption', options, ['data'])
  const data = begun.stored && options.data === undefined ? begun.stored.data : emojiFolder(options.data)
  const split = splitEmoji(await readEmoji(data), new Rng(begun.seed).fork('split'))
  const learned = await readDrawings(data, 'google', split.train)
  const validation = await readDrawings(data, 'google', split.validation)
  const sha256 = sha256Of(JSON.stringify(split), learned.pixels, validation.pixels)
  requireSame(begun, sha256, { where: data, flag: 'data' })

  const shape = begun.shape(usualShape, options)
  requireBatch(shape.batch, split.train.length, 'emoji')
  const tokenizerJson = await begun.kept<TokenizerJson>('tokenizer.json', () =>
    learnTokenizer(split.train, shape.vocab),
  )
  const tokenizer = openTokenizer(tokenizerJson)
  const config = await begun.kept<CaptionConfig>('config.json', () => captionConfig(shape, tokenizer.vocabSize))
  const tokenizerFiles = { 'tokenizer.json': json(tokenizerJson), 'tokenizer_config.json': json(tokenizerConfig) }

  return await carryOut(begun, {
    name: 'caption',
    own: { ...shape, data, sha256 },
    usual: { minutes: MINUTES },
    start: (settings: CaptionSettings) => startCaption(settings, config, tokenizer, learned),
    describe: ({ model }, { batch, lr, steps }) => ({
      Data:
        `${data} (${split.train.length} emoji to learn from, ${split.validation.length} held out, ` +
        `${split.test.length} to test)`,
      Model: `MiniGPT-4: ${describeParts(model)}`,
      Training: `AdamW, learning rate ${lr}; ${steps} steps of ${batch} drawings`,
    }),
    files: { ...tokenizerFiles, 'config.json': json(config) },
    async evaluate({ model }) {
      const said = await answersOf(model, config.prompt, validation)
      const { wordF1 } = scoreOf(
        said,
        validation.emoji.map(({ name }) => name),
      )
      // Of names never seen the mean loss soon grows, being a judge of how sure the mistakes are: what counts is words.
      return { loss: 1 - wordF1, wordF1 }
    },
    heldOutInWords: ({ wordF1 }) => `${(100 * wordF1!).toFixed(1)} % F1 of the words of names`,
    async finish({ model }, { folder }) {
      await saveModel(folder, config, tokenizer, tokenizerFiles)
      const test = await testOn(model, config, learned, {
        'never seen, same artist': await readDrawings(data, 'google', split.test),
        'never seen, second artist': await readDrawings(data, 'twitter', split.test),
        'learned emoji, second artist': await readDrawings(data, 'twitter', split.train),
        'learned emoji, same drawings': learned,
      })
      await report(test, folder)
      return { test }
    },
  })
}

/** The run's last weights as `model` in its folder, without what only training needs. */
async function saveModel(
  folder: string,
  config: CaptionConfig,
  tokenizer: Tokenizer,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  using model = describeModel(config, tokenizer)
  await using weights = await openCheckpoint(join((await newestCheckpoint(folder))!, 'model.safetensors'))
  await load(model, weights, { leaveOut: headsOfLearner })
  await savePretrained(model, join(folder, 'model'), { config: { ...config }, files })
}

function describeParts({ visual_encoder, Qformer, llama_model }: MiniGPT4): string {
  const sizes = { 'EVA-ViT': visual_encoder, 'Q-Former': Qformer!, LLaMA: llama_model }
  return Object.entries(sizes)
    .map(([name, part]) => `${name} of ${parameterCount(part)}`)
    .join(', ')
    .concat(' parameters')
}
