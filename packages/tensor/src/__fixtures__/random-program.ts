import * as fc from 'fast-check'
import {
  add,
  concat,
  cos,
  div,
  exp,
  expandDims,
  matMul,
  mean,
  mul,
  narrow,
  reshape,
  square,
  sub,
  sum,
  tanh,
  transpose,
} from '../index.ts'
import { type Scalar, sizeOf, type Tensor } from '../types.ts'

/** One step of a random program: an op on earlier values, by index modulo their number. */
interface Step {
  readonly op: number
  readonly a: number
  readonly b: number
}

/** A random program: shapes of its inputs, steps, and one seed of numbers. */
export interface Program {
  readonly shapes: readonly (readonly number[])[]
  readonly steps: readonly Step[]
  readonly seed: number
}

const dimension = fc.constantFrom(1, 2, 3)
const shape = fc.array(dimension, { minLength: 0, maxLength: 3 })

export const programs: fc.Arbitrary<Program> = fc.record({
  shapes: fc.array(shape, { minLength: 1, maxLength: 4 }),
  steps: fc.array(fc.record({ op: fc.nat(99), a: fc.nat(99), b: fc.nat(99) }), { minLength: 1, maxLength: 12 }),
  seed: fc.nat(1e6),
})

const broadcasts = (a: Tensor, b: Tensor) =>
  Array.from({ length: Math.min(a.rank, b.rank) }, (_, i) => [a.shape.at(-1 - i)!, b.shape.at(-1 - i)!]).every(
    ([x, y]) => x === y || x === 1 || y === 1,
  )

// Each gives a result for any operands of the stated kind; values stay small, so that nothing overflows.
const unary: ((x: Tensor) => Tensor)[] = [
  tanh,
  cos,
  (x) => exp(tanh(x)),
  (x) => square(tanh(x)),
  (x) => mul(x, 0.5),
  (x) => (x.rank ? sum(x, -1) : x),
  (x) => (x.rank ? mean(x, 0, true) : x),
  (x) => (x.rank > 1 ? transpose(x) : x),
  (x) => reshape(x, [-1]),
  (x) => expandDims(x, 0),
  (x) => (x.rank ? narrow(x, 0, 0, 1) : x),
]

const binary: ((a: Tensor, b: Tensor) => Tensor)[] = [
  (a, b) => add(a, b),
  (a, b) => sub(a, b),
  (a, b) => mul(tanh(a), b),
  (a, b) => div(a, add(square(b), 1)),
  (a, b) => (a.rank === b.rank && a.rank > 0 && a.shape.join() === b.shape.join() ? concat([a, b], 0) : add(b, a)),
  (a, b) =>
    a.rank === 2 && b.rank === 2 ? mul(matMul(a, b, { transposeB: a.shape[1] === b.shape[1] }), 0.3) : mul(a, b),
]

function apply({ op, a, b }: Step, values: readonly Tensor[]): Tensor {
  const x = values[a % values.length]!
  const y = values[b % values.length]!
  if (op % 2 && broadcasts(x, y)) {
    const fn = binary[op % binary.length]!
    const product = fn === binary[5] && x.rank === 2 && y.rank === 2
    const fits = !product || x.shape[1] === y.shape[1] || x.shape[1] === y.shape[0]
    return (fits ? fn : binary[0]!)(x, y)
  }
  return unary[op % unary.length]!(x)
}

/** Runs a program on its inputs. The result depends on every value it computes, each weighted differently. */
export function run({ steps }: Program, inputs: readonly Tensor[]): Scalar {
  const values = [...inputs]
  for (const step of steps) {
    const value = apply(step, values)
    if (value.size <= 200) values.push(value)
  }
  return values
    .slice(inputs.length)
    .map((value, i) => mul(sum(value), 1 / (i + 1)) as Scalar)
    .reduce((a, b) => add(a, b), mul(sum(inputs[0]!), 0.1) as Scalar)
}

/** Numbers of each input, in -1..1. */
export function numbersOf({ shapes, seed }: Program): number[][] {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return Math.fround(state / 2 ** 30 - 1)
  }
  return shapes.map((s) => Array.from({ length: sizeOf(s) }, next))
}
