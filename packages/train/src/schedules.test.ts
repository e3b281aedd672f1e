import { expect, it } from 'vitest'
import { byStep, constantSchedule, cosineAnnealing, linearWarmupCosine, warmupCosine } from './index.ts'

it('warms up and decays as nanoGPT does', () => {
  const schedule = warmupCosine({ lr: 6e-4, minLr: 6e-5, warmupSteps: 10, steps: 100 })
  expect(schedule(0)).toBeCloseTo(6e-4 / 11, 12)
  expect(schedule(9)).toBeCloseTo((6e-4 * 10) / 11, 12)
  expect(schedule(10)).toBe(6e-4)
  expect(schedule(55)).toBeCloseTo((6e-4 + 6e-5) / 2, 12)
  expect(schedule(100)).toBeCloseTo(6e-5, 12)
  expect(schedule(1000)).toBe(6e-5)
})

it('is constant after its warm-up', () => {
  const schedule = constantSchedule(2, { warmupSteps: 3 })
  expect([0, 1, 2, 3, 99].map(schedule)).toEqual([0.5, 1, 1.5, 2, 2])
})

it('turns epochs and iterations into steps', () => {
  const options = { lr: 1, minLr: 0, epochs: 2, itersPerEpoch: 5, warmupSteps: 7, warmupStartLr: 0.1 }
  const schedule = linearWarmupCosine(options)
  const steps = byStep(schedule, 5)
  expect([0, 4, 5, 6, 7, 9].map(steps)).toEqual([
    schedule(0, 0),
    schedule(0, 4),
    schedule(1, 0),
    schedule(1, 1),
    schedule(1, 2),
    schedule(1, 4),
  ])
  // the ramp goes by the iteration: it starts again with the second epoch
  expect(steps(5)).toBe(steps(0))
})

it('refuses options that cannot work', () => {
  expect(() => warmupCosine({ lr: 1, warmupSteps: 5, steps: 5 })).toThrow(
    /wanted steps as a whole number of at least 6/,
  )
  expect(() => cosineAnnealing({ lr: 1, maxSteps: 0 })).toThrow(/maxSteps/)
})
