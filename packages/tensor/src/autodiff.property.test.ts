import * as fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import * as tf from '#tfjs'
import { numbersOf, type Program, programs, run } from './__fixtures__/random-program.ts'
import { differentiate } from './autodiff.ts'
import { keep, liveMemory, tidy } from './memory.ts'
import type { Tensor } from './types.ts'

fc.configureGlobal({ seed: 1 })

beforeAll(() => tf.setBackend('cpu'))

const inputsOf = (program: Program): Tensor[] =>
  numbersOf(program).map((numbers, i) => tf.tensor(numbers, [...program.shapes[i]!]))

it('gives tfjs’ gradients, bit for bit, for random programs with broadcasting, reuse and unused inputs', () => {
  fc.assert(
    fc.property(programs, (program) => {
      tidy(() => {
        const inputs = inputsOf(program)
        const { value, grads } = differentiate(() => run(program, inputs), inputs)
        const theirs = tf.tidy(() => {
          const values = inputs.map((x) => tf.variable(x))
          const { value, grads } = tf.variableGrads(() => run(program, values), values)
          const result = { value, grads: values.map((v) => grads[v.name]) }
          for (const v of values) v.dispose()
          return result
        })
        expect(value.dataSync()).toEqual(theirs.value.dataSync())
        grads.forEach((gradient, i) => {
          expect(gradient?.shape).toEqual(theirs.grads[i]?.shape)
          if (gradient) expect(gradient.dataSync()).toEqual(theirs.grads[i]!.dataSync())
        })
      })
    }),
    { numRuns: 300 },
  )
})

it('leaves nothing behind, whatever the program', () => {
  fc.assert(
    fc.property(programs, (program) => {
      const before = liveMemory()
      tidy(() => {
        const inputs = inputsOf(program)
        differentiate(() => run(program, inputs), inputs)
      })
      expect(liveMemory()).toEqual(before)
    }),
    { numRuns: 100 },
  )
})

it('differentiates by a value made inside as by an input of that value', () => {
  fc.assert(
    fc.property(programs, programs, (first, second) => {
      tidy(() => {
        const inputs = inputsOf(first)
        let middle: Tensor | undefined
        const after = (x: Tensor) => run({ ...second, shapes: [x.shape] }, [x])
        const inside = differentiate(
          () => {
            middle = keep(run(first, inputs))
            return after(middle)
          },
          () => [middle!],
        )
        const given = differentiate(() => after(middle!), [middle!])
        middle!.dispose()
        expect(inside.grads[0]!.dataSync()).toEqual(given.grads[0]!.dataSync())
      })
    }),
    { numRuns: 100 },
  )
})

it('nests: a gradient taken inside a forward pass does not disturb the tape around it', () => {
  fc.assert(
    fc.property(programs, (program) => {
      tidy(() => {
        const inputs = inputsOf(program)
        const plain = differentiate(() => run(program, inputs), inputs)
        const around = differentiate(() => {
          const before = run(program, inputs)
          differentiate(() => run(program, inputs), inputs)
          return before
        }, inputs)
        around.grads.forEach((gradient, i) => {
          expect(gradient?.dataSync()).toEqual(plain.grads[i]?.dataSync())
        })
      })
    }),
    { numRuns: 100 },
  )
})
