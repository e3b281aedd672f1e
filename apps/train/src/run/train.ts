import { join } from 'node:path'
import { Rng } from '@filature/tensor'
import { type LogEntry, type Reporter, type RunResult, Trainer } from '@filature/train'
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
  /** What each checkpoint has beside weights and `run.json`. */
  readonly files: Readonly<Record<string, string>>
  /** Held-out numbers; the least `loss` marks the best checkpoint. */
  readonly evaluate?: () => Promise<Metrics>
  /** What stands behind the progress bar. */
  readonly describe?: (entry: LogEntry) => string
  /** Something to show after each evaluation: a sample. */
  readonly sample?: (step: number) => Promise<string>
}

export const say = (line = ''): void => console.log(line)

/** Trains to the planned step or to Ctrl-C, saving as it goes; says how to go on. */
export async function train<B>(run: Run<B>): Promise<RunResult> {
  const { folder, settings, recipe, files, evaluate, describe, sample } = run
  const bar = progressBar(describe ? { describe } : {})
  const sampler: Reporter[] = sample ? [{ evaluated: async (step) => void (await bar.note?.(await sample(step))) }] : []
  const trainer = new Trainer({
    ...recipe,
    rng: new Rng(settings.seed).fork('training'),
    smoothing: { keep: 0.95 },
    logEvery: 10,
    ...(evaluate ? { evaluate, evaluateEvery: settings.evaluateEvery } : {}),
    store: trainingFolder(folder, { files: { ...files, 'run.json': json(settings) } }),
    saveEvery: settings.saveEvery,
    reporters: [bar, jsonlMetrics(join(folder, 'metrics.jsonl')), ...sampler],
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
  const { reason, step, seconds } = result
  const used = process.cpuUsage(before)
  const processor = ((used.user + used.system) / 1e6).toFixed(1)
  const end = reason === 'finished' ? 'Finished' : 'Stopped'
  say(`${end} at step ${step} after ${seconds.toFixed(1)} s (${processor} s of processor time).`)
  say(`Saved in ${shown(folder)}.`)
  if (reason === 'stopped') say(`Go on with:  filature-train ${settings.command} --resume ${shown(folder)}`)
  return result
}
