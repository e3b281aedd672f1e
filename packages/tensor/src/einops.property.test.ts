import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import * as tf from '#tfjs'
import { differentiate } from './autodiff.ts'
import { einsum, rearrange, reduce, repeat } from './einops.ts'
import { ShapeError } from './errors.ts'
import { tidy } from './memory.ts'
import { sizeOf, type Tensor } from './types.ts'

fc.configureGlobal({ seed: 1 })

beforeAll(() => tf.setBackend('cpu'))

const NAMES = ['a', 'b', 'c', 'd', 'e']
const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 })

/** 0, 1, 2, ...: every element tells where it came from. */
const counting = (shape: readonly number[]) =>
  tf.tensor(
    Array.from({ length: sizeOf(shape) }, (_, i) => i),
    [...shape],
  )

/** Joins neighbours into groups: 'a (b c) d'. */
function grouped(axes: readonly string[], joins: readonly boolean[]): string[][] {
  const groups: string[][] = []
  axes.forEach((axis, i) => {
    if (i > 0 && joins[i]) groups.at(-1)!.push(axis)
    else groups.push([axis])
  })
  return groups
}

const written = (groups: readonly string[][]) =>
  groups.map((group) => (group.length === 1 ? group[0] : `(${group.join(' ')})`)).join(' ')

/** The number under given axis positions, in a tensor whose axes are grouped so. */
function at(
  x: Tensor,
  groups: readonly string[][],
  size: Record<string, number>,
  place: Record<string, number>,
): number {
  let flat = 0
  for (const group of groups) for (const axis of group) flat = flat * size[axis]! + place[axis]!
  return x.dataSync()[flat]!
}

function* places(axes: readonly string[], size: Record<string, number>): Generator<Record<string, number>> {
  const [axis, ...rest] = axes
  if (axis === undefined) yield {}
  else for (let i = 0; i < size[axis]!; i++) for (const place of places(rest, size)) yield { ...place, [axis]: i }
}

const shapeOf = (groups: readonly string[][], size: Record<string, number>) =>
  groups.map((group) => group.reduce((n, axis) => n * size[axis]!, 1))

const layouts = sizes.chain((dims) =>
  fc.record({
    size: fc.constant(Object.fromEntries(dims.map((d, i) => [NAMES[i]!, d]))),
    order: fc.shuffledSubarray(NAMES.slice(0, dims.length), { minLength: dims.length }),
    left: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    right: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  }),
)

describe('rearrange', () => {
  it('puts every element where the names say, and back', () => {
    fc.assert(
      fc.property(layouts, ({ size, order, left, right }) =>
        tidy(() => {
          const from = grouped(Object.keys(size), left)
          const to = grouped(order, right)
          const x = counting(shapeOf(from, size))
          const y = rearrange(x, `${written(from)} -> ${written(to)}`, size)
          expect(y.shape).toEqual(shapeOf(to, size))
          for (const place of places(order, size)) expect(at(y, to, size, place)).toBe(at(x, from, size, place))
          expect(rearrange(y, `${written(to)} -> ${written(from)}`, size).dataSync()).toEqual(x.dataSync())
        }),
      ),
    )
  })

  it('carries gradients back along the same way', () => {
    fc.assert(
      fc.property(layouts, ({ size, order, left, right }) =>
        tidy(() => {
          const [from, to] = [written(grouped(Object.keys(size), left)), written(grouped(order, right))]
          const x = counting(shapeOf(grouped(Object.keys(size), left), size))
          const dy = counting(shapeOf(grouped(order, right), size))
          const { grads } = differentiate(() => rearrange(x, `${from} -> ${to}`, size), [x], [dy])
          expect(grads[0]!.dataSync()).toEqual(rearrange(dy, `${to} -> ${from}`, size).dataSync())
        }),
      ),
      { numRuns: 50 },
    )
  })
})

describe('repeat and reduce', () => {
  const cases = layouts.chain((layout) =>
    fc.record({
      layout: fc.constant(layout),
      extra: fc.integer({ min: 1, max: 3 }),
      where: fc.nat(layout.order.length),
    }),
  )

  it('undo each other', () => {
    fc.assert(
      fc.property(cases, ({ layout: { size, order, left, right }, extra, where }) =>
        tidy(() => {
          const from = grouped(Object.keys(size), left)
          const to = grouped([...order.slice(0, where), 'r', ...order.slice(where)], [...right, false])
          const all = { ...size, r: extra }
          const x = counting(shapeOf(from, size))
          const y = repeat(x, `${written(from)} -> ${written(to)}`, all)
          expect(y.shape).toEqual(shapeOf(to, all))
          const back = `${written(to)} -> ${written(from)}`
          for (const operation of ['mean', 'max', 'min'] as const) {
            expect(Array.from(reduce(y, back, operation, all).dataSync())).toEqual(Array.from(x.dataSync()))
          }
          const sum = Array.from(reduce(y, back, 'sum', all).dataSync())
          expect(sum).toEqual(Array.from(x.dataSync(), (v) => v * extra))
        }),
      ),
    )
  })
})

describe('einsum', () => {
  const operands = fc.record({
    size: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
    a: fc.shuffledSubarray(NAMES.slice(0, 4), { minLength: 1 }),
    b: fc.shuffledSubarray(NAMES.slice(0, 4), { minLength: 1 }),
    pick: fc.shuffledSubarray(NAMES.slice(0, 4)),
    spaced: fc.boolean(),
  })

  it('sums over every axis that is not asked for, and is linear in each operand backwards', () => {
    fc.assert(
      fc.property(operands, ({ size: dims, a, b, pick, spaced }) =>
        tidy(() => {
          const size = Object.fromEntries(dims.map((d, i) => [NAMES[i]!, d]))
          const out = pick.filter((axis) => a.includes(axis) || b.includes(axis))
          const gap = spaced ? ' ' : ''
          // one name alone with spaces reads as a word: the same axis either way
          const pattern = `${a.join(gap)},${b.join(gap)}->${out.join(gap)}`
          const groups = (axes: string[]) => axes.map((axis) => [axis])
          const x = tf.add(counting(a.map((axis) => size[axis]!)), 1)
          const z = tf.sub(counting(b.map((axis) => size[axis]!)), 2)
          const y = einsum(pattern, x, z)
          const all = [...new Set([...a, ...b])]
          const wanted = new Map<string, number>()
          for (const place of places(all, size)) {
            const key = out.map((axis) => place[axis]).join()
            wanted.set(key, (wanted.get(key) ?? 0) + at(x, groups(a), size, place) * at(z, groups(b), size, place))
          }
          expect(y.shape).toEqual(out.map((axis) => size[axis]!))
          for (const place of places(out, size)) {
            expect(at(y, groups(out), size, place)).toBe(wanted.get(out.map((axis) => place[axis]).join()))
          }
          // <dy, einsum(dx, z)> = <grad x, dx>
          const dy = tf.sub(counting(y.shape), 1)
          const { grads } = differentiate(() => einsum(pattern, x, z), [x, z], [dy])
          const dx = tf.sub(counting(x.shape), 3)
          const dot = (p: Tensor, q: Tensor) => tf.sum(tf.mul(p, q)).dataSync()[0]
          expect(dot(grads[0]!, dx)).toBe(dot(dy, einsum(pattern, dx, z)))
          const dz = tf.sub(counting(z.shape), 1)
          expect(dot(grads[1]!, dz)).toBe(dot(dy, einsum(pattern, x, dz)))
        }),
      ),
      { numRuns: 200 },
    )
  })
})

it('einsum refuses a result that names an axis twice', () => {
  for (const pattern of ['a 1 -> 1 1', 'ab->aa'])
    expect(() => einsum(pattern, counting([1, 1]))).toThrow(/the result names an axis twice/)
})

describe('any text as a pattern', () => {
  const token = fc.constantFrom('a', 'b', 'c', '1', '(', ')', '->', '...', ',', ' ', '2', 'é', '-', '')
  const text = fc.oneof(
    fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join(' ')),
    fc.string({ maxLength: 12 }),
  )

  it.each<[string, (x: Tensor, pattern: string) => Tensor]>([
    ['rearrange', (x, pattern) => rearrange(x, pattern)],
    ['repeat', (x, pattern) => repeat(x, pattern, { c: 2 })],
    ['reduce', (x, pattern) => reduce(x, pattern, 'sum')],
    ['einsum', (x, pattern) => einsum(pattern, x)],
  ])('%s works or throws a ShapeError', (_, op) => {
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }), (pattern, shape) =>
        tidy(() => {
          try {
            expect(op(counting(shape), pattern).size).toBeGreaterThan(0)
          } catch (error) {
            expect(error).toBeInstanceOf(ShapeError)
          }
        }),
      ),
      { numRuns: 500 },
    )
  })
})
