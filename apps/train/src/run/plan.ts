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

/** Part of the time that is measured in, at most so many seconds; of it, the part that only warms up. */
const MEASURED = 0.05
const MOST = 20
const WARMING = 0.4
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
  const measured = 1000 * Math.min(MOST, MEASURED * seconds)
  await stepsUntil(recipe, began + WARMING * measured, 1, now)
  const perStep = await stepsUntil(recipe, began + measured, 2, now)
  const from = now()
  await look?.(recipe)
  const perLook = now() - from

  const left = USED * Math.max(0, 1000 * seconds - (now() - began))
  const lasts = (steps: number) => steps * perStep + (look ? Math.ceil(steps / every(steps)) * perLook : 0)
  const most = Math.max(1, Math.round(left / perStep))
  // However long looks take, half of the time goes to steps.
  return Math.max(
    largest(most, (steps) => lasts(steps) <= left),
    Math.round(most / 2),
    1,
  )
}

/** Milliseconds of a mean step: as many as fit until `end`, and `least` at any rate. */
async function stepsUntil(recipe: AnyRecipe, end: number, least: number, now: () => number): Promise<number> {
  const { data, size } = recipe
  const began = now()
  let steps = 0
  let sizes = 0
  for (; steps < least || now() < end; steps++) {
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
