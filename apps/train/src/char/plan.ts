import type { CharConfig } from '@filature/recurrent'
import { Rng, tidy } from '@filature/tensor'
import { gradientStep } from '@filature/train'
import { startSession } from './session.ts'
import type { CharSettings } from './settings.ts'

/** Part of the time that goes to steps; the rest to evaluations, samples and saving. */
const TRAINING_SHARE = 0.85

/**
 * How many steps fit into `seconds` on this machine: measured on a model of its own, so that the run itself starts
 * untouched and depends on the number of steps alone.
 */
export async function stepsWithin(
  seconds: number,
  settings: Omit<CharSettings, 'steps' | 'evaluateEvery' | 'sampleEvery' | 'saveEvery'>,
  config: CharConfig,
  train: Int32Array,
): Promise<number> {
  const probe = { ...settings, steps: 1000, evaluateEvery: 1, sampleEvery: 1, saveEvery: 1 }
  using session = startSession(probe, config, train)
  const { model, loss, optimizer, clipping, data } = session
  const times: number[] = []
  const began = performance.now()
  const limit = Math.min(2000, seconds * 50)
  while (times.length < 6 || (performance.now() - began < limit && times.length < 200)) {
    const from = performance.now()
    const made = tidy(() =>
      gradientStep({ model, loss, batches: [data.next()], rng: new Rng(0), optimizer, lr: undefined, clipping }),
    )
    await made.loss.data()
    made.loss.dispose()
    made.norm?.dispose()
    times.push((performance.now() - from) / 1000)
  }
  const warm = times.slice(Math.floor(times.length / 3)).sort((a, b) => a - b)
  const median = warm[Math.floor(warm.length / 2)]!
  return Math.max(1, Math.round((seconds * TRAINING_SHARE) / median))
}
