import * as fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import * as tf from '#tfjs'
import { numbersOf, programs, run } from './__fixtures__/random-program.ts'
import { differentiate } from './autodiff.ts'
import { tidy } from './memory.ts'

fc.configureGlobal({ seed: 1 })

beforeAll(() => tf.setBackend('cpu'))

const STEP = 1e-5

it('equals finite differences for random programs', () => {
  fc.assert(
    fc.property(programs, (program) => {
      const at = numbersOf(program)
      const tensorsOf = (numbers: number[][]) => numbers.map((n, i) => tf.tensor(n, [...program.shapes[i]!]))
      const value = (numbers: number[][]) => tidy(() => run(program, tensorsOf(numbers)).dataSync()[0]!)
      const grads = tidy(() => {
        const inputs = tensorsOf(at)
        return differentiate(() => run(program, inputs), inputs).grads.map((g) => Array.from(g?.dataSync() ?? []))
      })
      at.forEach((numbers, input) => {
        numbers.forEach((_, element) => {
          const moved = (step: number) =>
            at.map((n, i) => n.map((x, e) => (i === input && e === element ? x + step : x)))
          const numeric = (value(moved(STEP)) - value(moved(-STEP))) / (2 * STEP)
          const analytic = grads[input]![element] ?? 0
          expect(Math.abs(numeric - analytic)).toBeLessThan(1e-7 * Math.max(1, Math.abs(analytic)))
        })
      })
    }),
    { numRuns: 100 },
  )
})
