import { Rng, tidy } from '@filature/tensor'
import { gradientStep } from '@filature/train'
import type { AnyRecipe } from './recipe.ts'

export interface Plan<R> {
  /** What a run stops for as it goes, done once to be timed: an evaluation, a sample. */
  readonly look?: ((recipe: R) => Promise<unknown>) | undefined
  /** Steps between those, in a run of so many. */
  readonly every?: (steps: number) => number
  /** Milliseconds. */
  readonly now?: () => number
}

/** Seconds to measure in: a part of the run, between these two; of a very short run no more than the last part. */
const MEASURED = { part: 0.05, least: 8, most: 20, shortest: 0.15 }
/** The part of them that only warms up. */
const WARMING = 0.4
/** Steps that are enough, however short they are, and those that warming up takes, if there is time. */
const ENOUGH = { warming: 100, measured: 200 }
const COLD = 3
/** Part of what is left that goes to steps and looks; the rest is for checkpoints. */
const USED = 0.98
/** Batches whose sizes are looked at. */
const SIZES = 256

/**
 * How many steps fit into `seconds` on this machine, the measuring and the looks in between counted: measured on a
 * recipe of its own, so that the run itself starts untouched and depends on the number of steps alone. The first steps
 * are slow (code is not compiled yet, caches are cold) and do not count; the others do by their mean, since batches
 * differ, put into proportion by `recipe.size` where there is one.
 */
export async function stepsWithin<R extends AnyRecipe>(
  seconds: number,
  start: () => R,
  { look, every = (steps) => Math.ceil(steps / 8), now = () => performance.now() }: Plan<R> = {},
): Promise<number> {
  using recipe = start()
  const began = now()
  const { part, least, most, shortest } = MEASURED
  const budget = 1000 * Math.min(most, Math.max(part * seconds, Math.min(least, shortest * seconds)))
  const spent = () => now() - began
  const isWarm = (steps: number) => (spent() >= WARMING * budget && steps >= COLD) || steps >= ENOUGH.warming
  await stepsWhile(recipe, (steps) => steps < 1 || (spent() < budget && !isWarm(steps)), now)
  const perStep = await stepsWhile(recipe, (steps) => steps < 2 || (spent() < budget && steps < ENOUGH.measured), now)
  const from = now()
  await look?.(recipe)
  const perLook = now() - from

  const left = USED * Math.max(0, 1000 * seconds - spent())
  const lasts = (steps: number) => steps * perStep + (look ? Math.ceil(steps / every(steps)) * perLook : 0)
  const alone = Math.max(1, Math.round(left / perStep))
  // However long looks take, half of the time goes to steps.
  return Math.max(
    largest(alone, (steps) => lasts(steps) <= left),
    Math.round(alone / 2),
    1,
  )
}

/** Makes steps while that is wanted, of so many made; milliseconds of a mean one. */
async function stepsWhile(recipe: AnyRecipe, wanted: (made: number) => boolean, now: () => number): Promise<number> {
  const { data, size } = recipe
  const began = now()
  let sizes = 0
  for (let steps = 0; wanted(steps); steps++) {
    const batch = await data.next()
    sizes += size?.(batch) ?? 1
    const made = tidy(() => gradientStep({ ...recipe, batches: [batch], rng: new Rng(0), lr: undefined }))
    await made.loss.data()
    made.loss.dispose()
    made.norm?.dispose()
  }
  const perSize = (now() - began) / sizes
  if (!size) return perSize
  let usual = 0
  for (let i = 0; i < SIZES; i++) usual += size(await data.next()) / SIZES
  return perSize * usual
}

/** The largest whole number from 0 to `most` that holds, of a condition that stops holding somewhere. */
function largest(most: number, holds: (n: number) => boolean): number {
  let [low, high] = [0, most]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (holds(middle)) low = middle
    else high = middle - 1
  }
  return low
}
