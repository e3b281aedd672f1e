import { join } from 'node:path'
import { Rng } from '@filature/tensor'
import { type Reporter, type RunResult, Trainer } from '@filature/train'
import { jsonlMetrics, progressBar, stopOnInterrupt, trainingFolder } from '@filature/train/node'
import { json, shown } from './folder.ts'
import type { Recipe } from './recipe.ts'

/** What every run's settings have; stored whole with each checkpoint as `run.json`. */
export interface RunSettings {
  readonly command: string
  readonly seed: number
  /** Steps planned in all. */
  readonly steps: number
  readonly evaluateEvery: number
  readonly saveEvery: number
}

/** Held-out numbers. */
export type Metrics = { readonly loss: number } & Readonly<Record<string, number>>

export interface Run<B> {
  readonly folder: string
  readonly settings: RunSettings
  readonly recipe: Recipe<B>
  /** Goes on from the newest checkpoint. */
  readonly resume: boolean
  /** What to type to go on with it. */
  readonly again: string
  /** What each checkpoint has beside weights and `run.json`. */
  readonly files: Readonly<Record<string, string>>
  /** Held-out numbers; the least `loss` marks the best checkpoint. */
  readonly evaluate?: () => Promise<Metrics>
  /** The smoothed loss and the held-out numbers as a person reads them. */
  readonly lossInWords?: (loss: number) => string
  readonly heldOutInWords?: (metrics: Metrics) => string
  /** Something to show after each evaluation, and before a step: a sample. */
  readonly sample?: (step: number) => Promise<string>
  readonly beforeStep?: (step: number, batch: B) => Promise<string | undefined>
}

export const say = (line = ''): void => console.log(line)

/** Trains to the planned step or to Ctrl-C, saving as it goes; says how to go on. */
export async function train<B>(run: Run<B>): Promise<RunResult> {
  const { folder, settings, recipe, files, evaluate, sample, beforeStep } = run
  const { lossInWords = (loss: number) => loss.toFixed(3), heldOutInWords } = run
  const bar = progressBar({
    describe: ({ smoothedLoss, stepsPerSecond }) =>
      `loss ${lossInWords(smoothedLoss)} · ${rounded(stepsPerSecond)} steps/s`,
    ...(heldOutInWords ? { describeEvaluation: (metrics) => heldOutInWords(metrics as Metrics) } : {}),
  })
  const show = async (text: string | undefined) => void (text !== undefined && (await bar.note?.(text)))
  const sampler: Reporter[] = sample ? [{ evaluated: async (step) => show(await sample(step)) }] : []
  const trainer = new Trainer<B>({
    smoothing: { keep: 0.95 },
    ...recipe,
    rng: new Rng(settings.seed).fork('training'),
    logEvery: 10,
    ...(evaluate ? { evaluate, evaluateEvery: settings.evaluateEvery } : {}),
    store: trainingFolder(folder, { files: { ...files, 'run.json': json(settings) } }),
    saveEvery: settings.saveEvery,
    reporters: [bar, jsonlMetrics(join(folder, 'metrics.jsonl')), ...sampler],
    ...(beforeStep ? { beforeStep: async (step: number, batch: B) => show(await beforeStep(step, batch)) } : {}),
  })
  if (run.resume) {
    await trainer.resume()
    say(`Going on after step ${trainer.step} of ${settings.steps}.`)
  } else {
    await trainer.save()
  }
  say()
  using interrupt = stopOnInterrupt(() => say('\nStopping after this step; Ctrl-C again ends at once.'))
  const before = process.cpuUsage()
  const result = await trainer.run({ steps: settings.steps, signal: interrupt.signal })
  const { reason, step, seconds, smoothedLoss, metrics } = result
  const used = process.cpuUsage(before)
  const processor = ((used.user + used.system) / 1e6).toFixed(1)
  const end = reason === 'finished' ? 'Finished' : 'Stopped'
  const loss = smoothedLoss === null ? '' : `, loss ${lossInWords(smoothedLoss)}`
  say(`${end} at step ${step} after ${seconds.toFixed(1)} s (${processor} s of processor time)${loss}.`)
  if (reason === 'finished' && metrics && heldOutInWords) say(`Held out: ${heldOutInWords(metrics as Metrics)}.`)
  say(`Saved in ${shown(folder)}.`)
  if (reason === 'stopped') say(`Go on with:  ${run.again}`)
  return result
}

/** Two digits at least, none behind the point that say nothing: 0.052, 7.5, 140. */
const rounded = (rate: number): string => (rate < 10 ? rate.toPrecision(2) : rate.toFixed(0))
