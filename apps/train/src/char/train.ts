import { readFile } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { activate, describeBackend } from '@filature/command-line'
import { type CharConfig, CharVocabulary } from '@filature/recurrent'
import { ConfigError, Rng } from '@filature/tensor'
import { type LogEntry, type RunResult, type TokenBatch, Trainer } from '@filature/train'
import { jsonlMetrics, newestCheckpoint, progressBar, stopOnInterrupt, trainingFolder } from '@filature/train/node'
import { json, newRunFolder, refuseWithResume, shown } from '../run/folder.ts'
import type { RunOptions } from '../run/options.ts'
import { stepsWithin } from '../run/plan.ts'
import { say } from '../run/train.ts'
import { novel, readText } from '../text/read.ts'
import { evaluate, startSession } from './session.ts'
import { type CharSettings, configOf, type Preset, shapeOf } from './settings.ts'

/** The command line's options, as commander gives them. */
export interface CharOptions extends RunOptions {
  text?: string
  preset?: Preset
  hidden?: number
  embedding?: number
  layers?: number
  dropout?: number
  batch?: number
  length?: number
  lr?: number
  heldOut?: number
  sampleEvery?: number
}

interface Run {
  readonly folder: string
  readonly settings: CharSettings
  readonly config: CharConfig
  readonly train: Int32Array
  readonly test: Int32Array
}

export interface CharResult extends RunResult {
  readonly folder: string
}

/** `filature-train char`: trains a character model on a text, from the beginning or from a checkpoint. */
export async function trainChar(options: CharOptions): Promise<CharResult> {
  const backend = await activate(options)
  const run =
    options.resume === undefined ? await newRun(options, backend.name) : await storedRun(options.resume, options)
  const { folder, settings, config, train, test } = run
  const session = startSession(settings, config, train)
  const { model, optimizer, data, carry, clipping, schedule, smoothing, vocabulary } = session

  say(`Backend    ${describeBackend(backend)}`)
  say(`Text       ${basename(settings.text)} (${train.length} characters to learn from, ${test.length} held out)`)
  say(`Model      ${describe(settings, vocabulary.size)}`)
  say(`Saves to   ${shown(folder)}`)

  const bar = progressBar({
    describe: (entry) => describeEntry(entry, session.perCharacter),
    describeEvaluation: ({ bitsPerCharacter }) => `${bitsPerCharacter!.toFixed(3)} bits per character`,
  })
  const samples = new Rng(settings.seed).fork('samples')
  const store = trainingFolder(folder, {
    files: { 'config.json': json(config), 'run.json': json(settings) },
  })
  const classic = settings.preset === 'classic'
  // The classic run samples from the state at hand, on from the step's first character; the modern one from nothing.
  const sampleAt = async (step: number, batch: TokenBatch, count = classic ? 200 : 160) => {
    const rng = samples.fork(step)
    if (!classic) return indent(await session.sample(beginning(vocabulary), count, { rng, temperature: 0.8 }))
    const state = batch.fresh || !carry.value ? {} : { state: carry.value }
    return `----\n ${await session.sample([batch.inputs.values[0]!], count, { rng, temperature: 1, ...state })}\n----`
  }
  const trainer = new Trainer({
    model,
    loss: session.loss,
    data,
    optimizer,
    rng: new Rng(settings.seed).fork('training'),
    clipping,
    smoothing,
    ...(schedule ? { schedule } : {}),
    state: { carry },
    logEvery: 10,
    ...(test.length ? { evaluate: () => evaluate(model, test), evaluateEvery: settings.evaluateEvery } : {}),
    store,
    saveEvery: settings.saveEvery,
    reporters: [bar, jsonlMetrics(join(folder, 'metrics.jsonl'))],
    async beforeStep(step, batch) {
      if (step % settings.sampleEvery === 0 && (classic || step > 0)) await bar.note?.(await sampleAt(step, batch))
    },
  })
  if (options.resume !== undefined) {
    await trainer.resume()
    say(`Going on after step ${trainer.step} of ${settings.steps}.`)
  } else {
    await trainer.save()
  }
  say()
  using interrupt = stopOnInterrupt(() => say('\nStopping after this step; Ctrl-C again ends at once.'))
  const result = await trainer.run({ steps: settings.steps, signal: interrupt.signal })
  if (result.reason === 'finished') say(await sampleAt(result.step, data.next(), classic ? 500 : 160))
  report(result, folder, session.perCharacter)
  session[Symbol.dispose]()
  return { ...result, folder }
}

async function newRun(options: CharOptions, backend: string): Promise<Run> {
  const path = resolve(options.text ?? novel)
  const { text, sha256 } = await readText(path)
  const vocabulary = CharVocabulary.of(text)
  const preset = options.preset ?? 'modern'
  const shape = shapeOf(preset, backend, options)
  const { train, test } = splitText(vocabulary.encode(text), shape.heldOut)
  const config = configOf({ preset, ...shape }, vocabulary.characters)
  const seed = options.seed ?? 1
  const base = { preset, text: path, sha256, seed, ...shape }
  const folder = await newRunFolder(options.out, basename(path, extname(path)))
  let { steps } = options
  const { evaluateEvery: every } = options
  if (steps === undefined) {
    const minutes = options.minutes ?? 1
    say(`Measuring this machine to plan ${minutes} minute${minutes === 1 ? '' : 's'} of training ...`)
    const trial = { ...base, steps: 1000, evaluateEvery: 1, sampleEvery: 1, saveEvery: 1 }
    steps = await stepsWithin(60 * minutes, () => startSession(trial, config, train), {
      ...(test.length ? { look: ({ model }) => evaluate(model, test) } : {}),
      ...(every === undefined ? {} : { every: () => every }),
    })
  }
  const part = Math.max(1, Math.ceil(steps / 8))
  const evaluateEvery = options.evaluateEvery ?? part
  const settings = {
    ...base,
    steps,
    evaluateEvery,
    sampleEvery: options.sampleEvery ?? (preset === 'classic' ? 100 : evaluateEvery),
    saveEvery: options.saveEvery ?? part,
  }
  return { folder, settings, config, train, test }
}

/** A run as it was, from its newest checkpoint; a larger `--steps` makes it longer. */
async function storedRun(folder: string, options: CharOptions): Promise<Run> {
  refuseWithResume(options, ['text'])
  const checkpoint = await newestCheckpoint(folder)
  if (!checkpoint) throw new ConfigError('no-checkpoint', `--resume ${folder}: there is no checkpoint in that folder.`)
  const read = async (name: string) => JSON.parse(await readFile(join(checkpoint, name), 'utf8'))
  const [config, stored] = (await Promise.all([read('config.json'), read('run.json')])) as [CharConfig, CharSettings]
  const path = options.text === undefined ? stored.text : resolve(options.text)
  const { text, sha256 } = await readText(path)
  if (sha256 !== stored.sha256) {
    throw new ConfigError(
      'resume-text',
      `--resume ${folder}: ${path} is not the text of the first run any more; give that one as --text.`,
    )
  }
  const { train, test } = splitText(new CharVocabulary(config.vocabulary).encode(text), stored.heldOut)
  return {
    folder: resolve(folder),
    settings: { ...stored, text: path, steps: options.steps ?? stored.steps },
    config,
    train,
    test,
  }
}

/** The part to learn from and the part to test on, cut at a character. */
function splitText(ids: Int32Array, heldOut: number): { train: Int32Array; test: Int32Array } {
  const cut = ids.length - Math.floor(ids.length * heldOut)
  return { train: ids.subarray(0, cut), test: ids.subarray(cut) }
}

function describe({ preset, hidden, embedding, layers, batch, length, steps, lr }: CharSettings, V: number): string {
  const net =
    preset === 'classic'
      ? `the classic character RNN, ${hidden} units, ${V} characters one-hot; Adagrad`
      : `LSTM, ${layers} layer${layers === 1 ? '' : 's'} of ${hidden} units, ${V} characters embedded in ${embedding}; AdamW`
  return `${net}, learning rate ${lr}; ${steps} steps of ${batch} x ${length} characters`
}

function describeEntry({ smoothedLoss, stepsPerSecond }: LogEntry, perCharacter: (loss: number) => number): string {
  const bits = perCharacter(smoothedLoss) / Math.LN2
  return `loss ${smoothedLoss.toFixed(3)} (${bits.toFixed(2)} bits/char) · ${stepsPerSecond.toFixed(1)} steps/s`
}

function report(result: RunResult, folder: string, perCharacter: (loss: number) => number): void {
  const { reason, step, smoothedLoss, metrics, seconds } = result
  const bits = metrics?.bitsPerCharacter
  const loss = smoothedLoss === null ? '' : `, loss ${(perCharacter(smoothedLoss) / Math.LN2).toFixed(3)} bits/char`
  const heldOut = bits === undefined ? '' : `, held out ${bits.toFixed(3)} bits/char`
  say(
    `${reason === 'finished' ? 'Finished' : 'Stopped'} at step ${step} after ${seconds.toFixed(1)} s${loss}${heldOut}.`,
  )
  say(`Saved in ${shown(folder)}.`)
  if (reason === 'stopped') say(`Go on with:  ${program()} char --resume ${shown(folder)}`)
}

/** Where a sample starts: at a new line if the text has any. */
const beginning = (vocabulary: CharVocabulary) =>
  vocabulary.encode(vocabulary.has('\n') ? '\n' : vocabulary.characters[0]!)
/** How this program was called. */
const program = () => (process.env.npm_lifecycle_event === 'start' ? 'npm start --' : 'filature-train')
const indent = (text: string) => text.trim().replace(/^/gm, '  | ')
