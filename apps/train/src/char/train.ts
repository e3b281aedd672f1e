import { basename, extname, resolve } from 'node:path'
import { type CharConfig, CharVocabulary } from '@filature/recurrent'
import type { RunResult } from '@filature/train'
import { begin } from '../run/begin.ts'
import { carryOut } from '../run/carry-out.ts'
import { json } from '../run/folder.ts'
import type { RunOptions } from '../run/options.ts'
import { requireSame } from '../run/same-data.ts'
import { say } from '../run/train.ts'
import { novel, readText } from '../text/read.ts'
import { bitsOf, evaluate, startChar } from './recipe.ts'
import { sampleAt } from './sample.ts'
import { type CharSettings, type CharShape, configOf, type Preset, shapeOf } from './settings.ts'

/** The command line's options, as commander gives them. */
export interface CharOptions extends RunOptions, Partial<CharShape> {
  text?: string
  preset?: Preset
  sampleEvery?: number
}

export interface CharResult extends RunResult {
  readonly folder: string
}

/** How long a run is when nothing is said. */
export const MINUTES = 1
/** Steps between samples of the classic run. */
export const CLASSIC_SAMPLES = 100

/** `filature-train char`: trains a character model on a text, from the beginning or from a checkpoint. */
export async function trainChar(options: CharOptions): Promise<CharResult> {
  const begun = await begin<CharSettings>('char', options, ['text'])
  const { stored, backend } = begun
  const preset = stored?.preset ?? options.preset ?? 'modern'
  const classic = preset === 'classic'
  const shape = begun.shape(shapeOf(preset, backend.name, options))
  const path = resolve(options.text ?? stored?.text ?? novel)
  const { text, sha256 } = await readText(path)
  requireSame(begun, sha256, { where: path, flag: 'text' })
  const learned = () => configOf({ preset, ...shape }, CharVocabulary.of(text).characters)
  const config = await begun.kept<CharConfig>('config.json', learned)
  const ids = new CharVocabulary(config.vocabulary).encode(text)
  const { train, test } = splitText(ids, shape.heldOut)
  const sampleEvery = stored ? stored.sampleEvery : (options.sampleEvery ?? (classic ? CLASSIC_SAMPLES : undefined))

  return await carryOut(begun, {
    name: basename(path, extname(path)),
    own: { ...shape, preset, text: path, sha256, ...(sampleEvery === undefined ? {} : { sampleEvery }) },
    usual: { minutes: MINUTES },
    start: (settings: CharSettings) => startChar(settings, config, train),
    describe: (_, settings) => ({
      Text: `${basename(path)} (${train.length} characters to learn from, ${test.length} held out)`,
      Model: describe(settings, config.vocabulary.length),
    }),
    files: { 'config.json': json(config) },
    evaluate: test.length ? ({ model }) => evaluate(model, test) : undefined,
    lossInWords: (loss) =>
      `${loss.toFixed(3)} (${bitsOf({ preset, length: shape.length }, loss).toFixed(3)} bits/char)`,
    heldOutInWords: ({ bitsPerCharacter }) => `${bitsPerCharacter!.toFixed(3)} bits per character`,
    async beforeStep(recipe, settings, step, batch) {
      const { sampleEvery = settings.evaluateEvery } = settings
      if (step % sampleEvery !== 0 || (step === 0 && !classic)) return undefined
      return await sampleAt(recipe, settings, { step, batch })
    },
    async finish(recipe, { settings, result: { step } }) {
      say(`\n${await sampleAt(recipe, settings, { step, batch: recipe.data.next(), last: true })}`)
      return {}
    },
  })
}

/** The part to learn from and the part to test on, cut at a character; one character alone tests nothing. */
function splitText(ids: Int32Array, heldOut: number): { train: Int32Array; test: Int32Array } {
  const tested = Math.floor(ids.length * heldOut)
  const cut = ids.length - (tested < 2 ? 0 : tested)
  return { train: ids.subarray(0, cut), test: ids.subarray(cut) }
}

function describe({ preset, hidden, embedding, layers, batch, length, steps, lr }: CharSettings, V: number): string {
  const net =
    preset === 'classic'
      ? `the classic character RNN, ${hidden} units, ${V} characters one-hot; Adagrad`
      : `LSTM, ${layers} layer${layers === 1 ? '' : 's'} of ${hidden} units, ${V} characters embedded in ${embedding}; AdamW`
  return `${net}, learning rate ${lr}; ${steps} steps of ${batch} x ${length} characters`
}
