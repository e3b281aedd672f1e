import { cpu, init, Linear, mean, Rng, type Scalar, square, type Tensor2D, tensor, useBackend } from '@filature/tensor'
import { SGD } from '@filature/train'
import { beforeAll, expect, it } from 'vitest'
import { type Plan, stepsWithin } from './plan.ts'
import type { Recipe } from './recipe.ts'

beforeAll(() => useBackend(cpu()))

interface Step {
  /** What the recipe says of its batch. */
  readonly size: number
  readonly milliseconds: number
}

/** A recipe whose n-th step takes as long as `step` says, by a clock of its own. */
function machine(step: (n: number) => Step, sized = false) {
  let clock = 0
  let given = 0
  let disposed = 0
  const start = (): Recipe<Step> => {
    const model = init(new Linear(1, 1), new Rng(1))
    return {
      model,
      optimizer: new SGD(model, { lr: 0.1 }),
      data: { position: {}, seek: () => {}, next: () => step(given++) },
      clipping: { norm: 1 },
      schedule: undefined,
      loss({ milliseconds }) {
        clock += milliseconds
        return mean(square(model.forward(tensor([[1]], [1, 1]) as Tensor2D))) as Scalar
      },
      ...(sized ? { size: ({ size }) => size } : {}),
      [Symbol.dispose]: () => void disposed++,
    }
  }
  return {
    plan: (seconds: number, more: Plan<Recipe<Step>> = {}) =>
      stepsWithin(seconds, start, { now: () => clock, ...more }),
    wait(milliseconds: number) {
      clock += milliseconds
    },
    clock: () => clock,
    disposed: () => disposed,
  }
}

/** Within a part of what is wanted. */
const near = (value: number, wanted: number, part = 0.05) => {
  expect(value).toBeGreaterThan(wanted * (1 - part))
  expect(value).toBeLessThan(wanted * (1 + part))
}

it('leaves the first, slow steps out: a run that gets faster ends when it should', async () => {
  // three times as slow until it has warmed up for five seconds
  let slow = 5000
  const it = machine(() => {
    const milliseconds = slow > 0 ? 500 : 170
    slow -= milliseconds
    return { size: 1, milliseconds }
  })
  const steps = await it.plan(3000)
  near(it.clock() / 1000 + steps * 0.17, 3000)
  expect(it.clock()).toBeLessThan(22_000)
  expect(it.disposed()).toBe(1)
})

it('leaves three cold steps out of a short run, too', async () => {
  const it = machine((n) => ({ size: 1, milliseconds: [1500, 900, 900][n] ?? 500 }))
  const steps = await it.plan(90)
  near(it.clock() / 1000 + steps * 0.5, 90)
})

it('measures no longer than a small part of a short run', async () => {
  const it = machine(() => ({ size: 1, milliseconds: 10 }))
  const steps = await it.plan(60)
  expect(it.clock()).toBe(3000) // 100 and 200 steps are enough
  near(it.clock() / 1000 + steps * 0.01, 60)
})

it('takes the mean of steps that differ, not their middle', async () => {
  const lengths = [100, 100, 1000, 100] // a quarter of the batches are long
  const it = machine((n) => ({ size: 1, milliseconds: lengths[n % 4]! }))
  near((await it.plan(600)) * 0.325, 568, 0.1)
})

it('puts what it measured into proportion where batches say their size', async () => {
  // the batches that there is time to measure happen to be short
  const it = machine((n) => (n < 40 ? { size: 20, milliseconds: 400 } : { size: 80, milliseconds: 1600 }), true)
  near((await it.plan(300)) * 1.6, 280, 0.2)
  const blind = machine((n) => (n < 40 ? { size: 20, milliseconds: 400 } : { size: 80, milliseconds: 1600 }))
  expect(await blind.plan(300)).toBeGreaterThan(650)
})

it('leaves time for the looks in between, as often as they come', async () => {
  const it = machine(() => ({ size: 1, milliseconds: 100 }))
  const look = async () => it.wait(10_000)
  near((await it.plan(300, { look })) * 0.1 + 8 * 10, 270)
  near((await it.plan(300, { look, every: () => 500 })) * (0.1 + 10 / 500), 270)
  // but half of the time goes to steps
  near((await it.plan(300, { look: async () => it.wait(60_000) })) * 0.1, 110, 0.1)
})

it('plans a step at least, and takes three to measure', async () => {
  const it = machine(() => ({ size: 1, milliseconds: 5000 }))
  expect([await it.plan(0.6), it.clock()]).toEqual([1, 15_000])
})
