import { backendFlags, callOf, describeBackend } from '@filature/command-line'
import { ConfigError } from '@filature/tensor'
import type { RunResult } from '@filature/train'
import type { Beginning } from './begin.ts'
import { shown } from './folder.ts'
import { stepsWithin } from './plan.ts'
import type { AnyRecipe, BatchOf } from './recipe.ts'
import { type Metrics, type RunSettings, say, train } from './train.ts'

/** What a command says of its run; S: its settings, R: its recipe, T: what comes of it. */
export interface Undertaking<S extends RunSettings, R extends AnyRecipe, T extends object> {
  /** Of the folder in runs/. */
  readonly name: string
  /** The settings, without those that every run has. */
  readonly own: Omit<S, keyof RunSettings>
  /** How long a new run is when nothing is said. */
  readonly usual: { readonly minutes: number } | { readonly steps: number }
  /** Steps between evaluations and between checkpoints, of so many; an eighth when left out. */
  readonly every?: (steps: number) => number
  readonly start: (settings: S) => R
  /** Lines to print first, by their heads. */
  readonly describe: (recipe: R, settings: S) => Readonly<Record<string, string>>
  /** What each checkpoint has beside weights and `run.json`. */
  readonly files: Readonly<Record<string, string>>
  /** Held-out numbers; the least `loss` marks the best checkpoint. */
  readonly evaluate?: ((recipe: R) => Promise<Metrics>) | undefined
  /** The loss as a person reads it, and the held-out numbers; plain numbers when left out. */
  readonly lossInWords?: (loss: number) => string
  readonly heldOutInWords?: (metrics: Metrics) => string
  /** Something to show after each evaluation, and before a step: a sample. */
  readonly sample?: (recipe: R, settings: S, step: number) => Promise<string>
  readonly beforeStep?: (recipe: R, settings: S, step: number, batch: BatchOf<R>) => Promise<string | undefined>
  /** What is done with the trained model; not when the run is stopped. */
  readonly finish: (recipe: R, run: { folder: string; settings: S; result: RunResult }) => Promise<T>
}

/** Plans, trains and finishes a run, or goes on with one. */
export async function carryOut<S extends RunSettings, R extends AnyRecipe, T extends object>(
  begun: Beginning<S>,
  it: Undertaking<S, R, T>,
): Promise<RunResult & { readonly folder: string } & Partial<T>> {
  const { command, options, stored } = begun
  const folder = begun.folder(it.name)
  const settings = await settingsOf(begun, it)
  using recipe = it.start(settings)
  say(head('Backend', describeBackend(begun.backend)))
  for (const [name, text] of Object.entries(it.describe(recipe, settings))) say(head(name, text))
  say(head('Saves to', shown(folder)))
  const { files, evaluate, sample, beforeStep, lossInWords, heldOutInWords } = it
  const result = await train<BatchOf<R>>({
    folder,
    settings,
    recipe,
    files,
    resume: stored !== undefined,
    again: `${callOf('train')} ${command} --resume ${shown(folder)}${backendFlags(options)}`,
    ...(evaluate ? { evaluate: () => evaluate(recipe) } : {}),
    ...(sample ? { sample: (step) => sample(recipe, settings, step) } : {}),
    ...(beforeStep ? { beforeStep: (step, batch) => beforeStep(recipe, settings, step, batch) } : {}),
    ...(lossInWords ? { lossInWords } : {}),
    ...(heldOutInWords ? { heldOutInWords } : {}),
  })
  const finished = result.reason === 'finished' ? await it.finish(recipe, { folder, settings, result }) : {}
  return { ...result, folder, ...(finished as Partial<T>) }
}

const head = (name: string, text: string) => name.padEnd(11) + text

/** What the run is to be, whole: as it was begun but for its length, or planned. */
async function settingsOf<S extends RunSettings, R extends AnyRecipe, T extends object>(
  { command, options, stored, seed }: Beginning<S>,
  { own, usual, every = (steps) => Math.max(1, Math.ceil(steps / 8)), start, evaluate, sample }: Undertaking<S, R, T>,
): Promise<S> {
  const planned = (plan: Omit<RunSettings, 'command' | 'seed'>) =>
    ({ ...stored, ...own, command, seed, ...plan }) as unknown as S
  if (stored) {
    const { steps, evaluateEvery, saveEvery } = stored
    return planned({ steps: options.steps ?? steps, evaluateEvery, saveEvery })
  }
  if (!evaluate && options.evaluateEvery !== undefined) {
    throw new ConfigError(
      'nothing-held-out',
      '--evaluate-every: there is nothing to test on; leave it out, or hold something out.',
    )
  }
  let { steps } = options
  if (steps === undefined && options.minutes === undefined && 'steps' in usual) steps = usual.steps
  if (steps === undefined) {
    const minutes = options.minutes ?? ('minutes' in usual ? usual.minutes : 1)
    say(`Measuring this machine to plan ${minutes} minute${minutes === 1 ? '' : 's'} of training ...`)
    const trial = planned({ steps: 1000, evaluateEvery: 1, saveEvery: 1 })
    const look = async (recipe: R) => {
      await evaluate?.(recipe)
      await sample?.(recipe, trial, 0)
    }
    const { evaluateEvery = undefined } = options
    steps = await stepsWithin(60 * minutes, () => start(trial), {
      look: evaluate && look,
      every: evaluateEvery === undefined ? every : () => evaluateEvery,
    })
  }
  const { evaluateEvery = every(steps), saveEvery = every(steps) } = options
  return planned({ steps, evaluateEvery, saveEvery })
}
