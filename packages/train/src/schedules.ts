import { ConfigError } from '@filature/tensor'

/** The learning rate of a step; steps count from 0. */
export type Schedule = (step: number) => number

/** The learning rate of an iteration of an epoch, both from 0. */
export type EpochSchedule = (epoch: number, iteration: number) => number

/** An epoch schedule as one of steps. */
export function byStep(schedule: EpochSchedule, itersPerEpoch: number): Schedule {
  requireCount('byStep', 'itersPerEpoch', itersPerEpoch, 1)
  return (step) => schedule(Math.floor(step / itersPerEpoch), step % itersPerEpoch)
}

/** One rate, after a linear rise over `warmupSteps` steps (the first one already above 0). */
export function constantSchedule(lr: number, { warmupSteps = 0 } = {}): Schedule {
  requireCount('constantSchedule', 'warmupSteps', warmupSteps, 0)
  return (step) => (step < warmupSteps ? (lr * (step + 1)) / (warmupSteps + 1) : lr)
}

export interface WarmupCosineOptions {
  lr: number
  minLr?: number
  warmupSteps?: number
  /** Steps until `minLr`, the warm-up among them. */
  steps: number
}

/** nanoGPT's: lr (step + 1) / (warmupSteps + 1), then half a cosine down to `minLr` at `steps`, which stays. */
export function warmupCosine({ lr, minLr = 0, warmupSteps = 0, steps }: WarmupCosineOptions): Schedule {
  requireCount('warmupCosine', 'warmupSteps', warmupSteps, 0)
  requireCount('warmupCosine', 'steps', steps, warmupSteps + 1)
  return (step) => {
    if (step < warmupSteps) return (lr * (step + 1)) / (warmupSteps + 1)
    if (step > steps) return minLr
    return cosine((step - warmupSteps) / (steps - warmupSteps), lr, minLr)
  }
}

/** `torch.optim.lr_scheduler.CosineAnnealingLR`: after `maxSteps` the rate rises again, as torch's does. */
export function cosineAnnealing({
  lr,
  minLr = 0,
  maxSteps,
}: {
  lr: number
  minLr?: number
  maxSteps: number
}): Schedule {
  requireCount('cosineAnnealing', 'maxSteps', maxSteps, 1)
  return (step) => cosine(step / maxSteps, lr, minLr)
}

export interface LinearWarmupCosineOptions {
  lr: number
  minLr: number
  epochs: number
  itersPerEpoch: number
  warmupSteps?: number
  /** Where the warm-up begins; no warm-up ramp when left out. */
  warmupStartLr?: number
}

/**
 * MiniGPT-4's `LinearWarmupCosineLRScheduler`, quirks and all: whether it still warms up is asked of the total step,
 * but the ramp goes by the iteration of the epoch, so a warm-up longer than an epoch starts again with each; the
 * ramp ends one step short of `lr`; and the cosine runs over the total steps from 0, not from the end of the warm-up.
 */
export function linearWarmupCosine(options: LinearWarmupCosineOptions): EpochSchedule {
  const { lr, minLr, epochs, itersPerEpoch, warmupSteps = 0, warmupStartLr = lr } = options
  requireCount('linearWarmupCosine', 'epochs', epochs, 1)
  requireCount('linearWarmupCosine', 'itersPerEpoch', itersPerEpoch, 1)
  requireCount('linearWarmupCosine', 'warmupSteps', warmupSteps, 0)
  return (epoch, iteration) => {
    const step = epoch * itersPerEpoch + iteration
    if (step < warmupSteps) return ramp(iteration, warmupSteps, warmupStartLr, lr)
    return cosine(step / (epochs * itersPerEpoch), lr, minLr)
  }
}

export interface LinearWarmupStepOptions {
  lr: number
  minLr: number
  /** Factor for each epoch. */
  decayRate: number
  warmupSteps?: number
  warmupStartLr?: number
}

/** MiniGPT-4's `LinearWarmupStepLRScheduler`: the ramp in the first epoch only, then lr decayRate^epoch, at least minLr. */
export function linearWarmupStep(options: LinearWarmupStepOptions): EpochSchedule {
  const { lr, minLr, decayRate, warmupSteps = 0, warmupStartLr = lr } = options
  requireCount('linearWarmupStep', 'warmupSteps', warmupSteps, 0)
  return (epoch, iteration) => {
    if (epoch === 0) return ramp(iteration, warmupSteps, warmupStartLr, lr)
    return Math.max(minLr, lr * decayRate ** epoch)
  }
}

const ramp = (step: number, steps: number, from: number, to: number) =>
  Math.min(to, from + ((to - from) * step) / Math.max(steps, 1))

const cosine = (part: number, from: number, to: number) => (from - to) * 0.5 * (1 + Math.cos(Math.PI * part)) + to

function requireCount(who: string, key: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return
  throw new ConfigError(
    'schedule-option',
    `${who}: wanted ${key} as a whole number of at least ${least}, got ${value}.`,
  )
}
