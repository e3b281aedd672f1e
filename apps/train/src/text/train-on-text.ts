import { basename, extname, resolve } from 'node:path'
import { callOf } from '@filature/command-line'
import { type CausalLM, parameterCount, Rng } from '@filature/tensor'
import type { RunResult } from '@filature/train'
import type { Beginning } from '../run/begin.ts'
import { carryOut } from '../run/carry-out.ts'
import { exportBest } from '../run/export-best.ts'
import { json, shown } from '../run/folder.ts'
import { requireSame } from '../run/same-data.ts'
import { type RunSettings, say } from '../run/train.ts'
import { bytesIn, readTexts, requireEnough, type Texts, tokenRow } from './corpus.ts'
import { evaluateTokens } from './evaluate-tokens.ts'
import { novel } from './read.ts'
import type { TextRecipe, TextSettings, TextShape } from './recipe.ts'
import { sample } from './sample.ts'
import { storedTokens, type TextTokens } from './tokens.ts'

/** A kind of language model: C is its configuration. */
export interface TextModel<S extends TextSettings, C extends { readonly vocab_size: number }> {
  /** Learns a vocabulary, in a new run. */
  readonly tokens: (texts: Texts) => TextTokens
  readonly config: (vocabSize: number) => C
  /** The model's own keys of a config.json. */
  readonly readConfig: (config: C) => C
  readonly describe: (config: C) => CausalLM
  readonly start: (settings: S, config: C, tokens: Int32Array) => TextRecipe
  /** Its name and its size, in words. */
  readonly name: (config: C, settings: S) => string
  /** What other loaders want beside the model's own keys of config.json; undefined of a model that only we read. */
  readonly published: (config: C) => object | undefined
  /** Files beside config.json and the tokenizer's. */
  readonly files?: (config: C) => Readonly<Record<string, string>>
}

export interface TextResult extends RunResult {
  readonly folder: string
  /** The folder with the best weights, config.json and tokenizer.json; absent when the run was stopped. */
  readonly pretrained?: string
}

/** How long a run is when nothing is said. */
export const MINUTES = 5

/** Trains a language model on texts, from the beginning or from a checkpoint; `given` are the texts' paths. */
export async function trainOnText<S extends TextSettings, C extends { readonly vocab_size: number }>(
  begun: Beginning<S>,
  given: readonly string[] | undefined,
  shape: TextShape,
  kind: TextModel<S, C>,
): Promise<TextResult> {
  const { stored, checkpoint } = begun
  const paths = given?.map((path) => resolve(path)) ?? stored?.texts ?? [novel]
  const texts = await readTexts(paths, shape.heldOut)
  requireSame(begun, texts.sha256, { where: paths.join(', '), flag: 'text' })
  const tokens = checkpoint === undefined ? kind.tokens(texts) : await storedTokens(checkpoint)
  const { tokenizer, boundary } = tokens
  const config = kind.readConfig(await begun.kept('config.json', () => kind.config(tokenizer.vocabSize)))
  const learned = tokenRow(tokenizer, texts.train, boundary)
  const tested = texts.heldOut.length ? tokenRow(tokenizer, texts.heldOut, boundary) : undefined
  requireEnough(learned, shape.length, paths)

  const bytes = bytesIn(texts.heldOut)
  const { length } = shape
  const published = kind.published(config)
  const files = { 'config.json': json({ ...published, ...config }), ...kind.files?.(config), ...tokens.files }
  return await carryOut(begun, {
    name: `${begun.command}-${basename(paths[0]!, extname(paths[0]!))}`,
    own: { ...shape, texts: paths, sha256: texts.sha256 } as unknown as Omit<S, keyof RunSettings>,
    usual: { minutes: MINUTES },
    start: (settings) => kind.start(settings, config, learned),
    describe: ({ model }, settings) => ({
      Text:
        `${paths.map((path) => basename(path)).join(', ')} (${learned.length} ` +
        `${tokenizer.special.eos === undefined ? 'characters' : 'tokens'} to learn from, ${tested?.length ?? 0} held out)`,
      Model:
        `${kind.name(config, settings)}, ${config.vocab_size} tokens, ${parameterCount(model)} parameters; AdamW, ` +
        `learning rate ${settings.lr}; ${settings.steps} steps of ${settings.batch} x ${length} tokens`,
    }),
    files,
    evaluate: tested && (({ model }) => evaluateTokens(model, tested, { length, bytes })),
    lossInWords: (loss) => `${loss.toFixed(3)} nats/token`,
    sample: ({ model }, { seed }, step) =>
      sample(model, tokens, { context: length, rng: new Rng(seed).fork('samples').fork(step) }),
    heldOutInWords: ({ loss, bitsPerByte }) => `${loss.toFixed(3)} nats/token, ${bitsPerByte!.toFixed(3)} bits/byte`,
    async finish(_, { folder }) {
      const pretrained = await exportBest(folder, () => kind.describe(config), files)
      say(`The best of it${published ? ", as Hugging Face's loaders want it" : ''}: ${shown(pretrained)}`)
      say(`Write with it:  ${callOf('infer')} generate ${shown(pretrained)} --prompt "..."`)
      return { pretrained }
    },
  })
}
