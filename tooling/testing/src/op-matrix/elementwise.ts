import * as t from '@filature/tensor'
import { bools, constant, type Entry, idsOf, normal, of, positive } from './entry.ts'

type Binary = (a: t.Tensor, b: t.Tensor) => t.Tensor

/** The ways in which two operands broadcast; sizes that fill no vector register evenly. */
function binary(op: string, fn: Binary, second = normal, more: Partial<Entry> = {}): Entry[] {
  const run: Entry['run'] = ({ a, b }) => fn(a, b)
  return of(op, {
    'same shape': [{ a: normal([5, 37]), b: second([5, 37]) }, run, more],
    'row under matrix': [{ a: normal([3, 5, 7]), b: second([7]) }, run, more],
    'column beside matrix': [{ a: normal([3, 5, 7]), b: second([3, 1, 7]) }, run, more],
    'both broadcast': [{ a: normal([4, 1, 3]), b: second([5, 1]) }, run, more],
    scalar: [{ a: normal([2, 9]), b: second([]) }, run, more],
    long: [{ a: normal([1031]), b: second([1031]) }, run, more],
  })
}

const noGradient = { withoutGradient: 'its result is a truth value' }

/** Comparisons need operands that meet: small whole numbers. */
const whole = (shape: readonly number[], offset: number) =>
  idsOf(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 7 + offset) % 5),
  )

function comparison(op: string, fn: Binary): Entry[] {
  const run: Entry['run'] = ({ a, b }) => fn(a, b)
  return of(op, {
    floats: [{ a: normal([4, 33]), b: normal([4, 33]) }, run, noGradient],
    'whole numbers, broadcast': [{ a: whole([6, 5], 0), b: whole([5], 3) }, run, noGradient],
  })
}

interface Domain {
  readonly positive?: boolean
  readonly awayFrom?: readonly number[]
  readonly std?: number
}

function unary(op: string, fn: (x: t.Tensor) => t.Tensor, { positive: above, ...options }: Domain = {}): Entry[] {
  const spec = (shape: number[]) => (above ? positive(shape) : normal(shape, options))
  const run: Entry['run'] = ({ x }) => fn(x)
  return of(op, {
    matrix: [{ x: spec([5, 37]) }, run],
    long: [{ x: spec([1031]) }, run],
    scalar: [{ x: spec([]) }, run],
  })
}

const apart = (shape: readonly number[]) => normal(shape, { mean: 0.03 })
const nonzero = (shape: readonly number[]) => positive(shape, 0.5)

export const elementwise: Entry[] = [
  ...binary('add', (a, b) => t.add(a, b)),
  ...binary('sub', (a, b) => t.sub(a, b)),
  ...binary('mul', (a, b) => t.mul(a, b)),
  ...binary('div', (a, b) => t.div(a, b), nonzero),
  ...binary('maximum', (a, b) => t.maximum(a, b), apart),
  ...binary('minimum', (a, b) => t.minimum(a, b), apart),
  ...of('pow', {
    'tensor exponent': [{ a: positive([4, 9]), b: normal([4, 9]) }, ({ a, b }) => t.pow(a, b)],
    'number exponent': [{ a: positive([4, 9]) }, ({ a }) => t.pow(a, 1.7)],
  }),
  ...of('mul', {
    'a number': [{ a: normal([3, 7]) }, ({ a }) => t.mul(a, -1.5)],
    'the same tensor twice': [{ a: normal([3, 7]) }, ({ a }) => t.mul(a, a)],
  }),
  ...of('addN', {
    three: [{ a: normal([3, 7]), b: normal([3, 7]), c: normal([3, 7]) }, ({ a, b, c }) => t.addN([a, b, c])],
  }),
  ...comparison('equal', (a, b) => t.equal(a, b)),
  ...comparison('notEqual', (a, b) => t.notEqual(a, b)),
  ...comparison('less', (a, b) => t.less(a, b)),
  ...comparison('lessEqual', (a, b) => t.lessEqual(a, b)),
  ...comparison('greater', (a, b) => t.greater(a, b)),
  ...comparison('greaterEqual', (a, b) => t.greaterEqual(a, b)),
  ...of('logicalAnd', {
    bools: [{ a: bools([3, 9]), b: bools([3, 9]) }, ({ a, b }) => t.logicalAnd(a, b), noGradient],
  }),
  ...of('logicalOr', { bools: [{ a: bools([3, 9]), b: bools([3, 9]) }, ({ a, b }) => t.logicalOr(a, b), noGradient] }),
  ...of('logicalNot', { bools: [{ a: bools([3, 9]) }, ({ a }) => t.logicalNot(a), noGradient] }),
  ...of('where', {
    'same shape': [{ c: bools([4, 9]), a: normal([4, 9]), b: normal([4, 9]) }, ({ c, a, b }) => t.where(c, a, b)],
    'all broadcast': [
      { c: bools([4, 1, 3]), a: normal([5, 3]), b: normal([4, 5, 1]) },
      ({ c, a, b }) => t.where(c, a, b),
    ],
  }),
  ...unary('neg', t.neg),
  ...unary('abs', t.abs, { awayFrom: [0] }),
  ...of('sign', { matrix: [{ x: normal([5, 7]) }, ({ x }) => t.sign(x)] }),
  ...unary('exp', t.exp),
  ...unary('log', t.log, { positive: true }),
  ...unary('log1p', t.log1p, { positive: true }),
  ...unary('sqrt', t.sqrt, { positive: true }),
  ...unary('rsqrt', t.rsqrt, { positive: true }),
  ...unary('square', t.square),
  ...unary('reciprocal', t.reciprocal, { positive: true }),
  ...unary('sin', t.sin),
  ...unary('cos', t.cos),
  ...of('floor', { matrix: [{ x: normal([5, 7], { std: 3 }) }, ({ x }) => t.floor(x)] }),
  ...of('clip', {
    inside: [{ x: normal([5, 37], { awayFrom: [-1, 0.5] }) }, ({ x }) => t.clip(x, -1, 0.5)],
  }),
  ...unary('erf', t.erf),
  ...of('erf', { 'small and large': [{ x: normal([257], { std: 3 }) }, ({ x }) => t.erf(x)] }),
  ...unary('relu', t.relu, { awayFrom: [0] }),
  ...unary('gelu', t.gelu, { std: 2 }),
  ...unary('geluTanh', t.geluTanh, { std: 2 }),
  ...unary('quickGelu', t.quickGelu, { std: 2 }),
  ...unary('silu', t.silu, { std: 3 }),
  ...unary('tanh', t.tanh, { std: 2 }),
  ...unary('sigmoid', t.sigmoid, { std: 3 }),
  ...unary('softplus', t.softplus, { std: 3, awayFrom: [0] }),
  ...unary('logSigmoid', t.logSigmoid, { std: 3, awayFrom: [0] }),
  ...unary('mish', t.mish, { std: 2, awayFrom: [0] }),
  ...unary('leakyRelu', (x) => t.leakyRelu(x, 0.1), { awayFrom: [0] }),
  ...unary('elu', (x) => t.elu(x, 0.7), { awayFrom: [0] }),
  ...unary('selu', t.selu, { awayFrom: [0] }),
  ...unary('relu6', t.relu6, { std: 4, awayFrom: [0, 6] }),
  ...unary('hardtanh', t.hardtanh, { awayFrom: [-1, 1] }),
  ...of('activation', {
    'a kind by name': [{ x: normal([3, 7]) }, ({ x }) => t.activation(x, 'gelu')],
    none: [{ x: normal([3, 7]) }, ({ x }) => t.mul(t.activation(x, 'none'), 1)],
  }),
  ...of('composedActivation', { silu: [{ x: normal([3, 7]) }, ({ x }) => t.composedActivation(x, 'silu')] }),
  ...of('cast', {
    'int32 to float32': [{ x: whole([3, 5], 1) }, ({ x }) => t.cast(x, 'float32'), { withoutGradient: 'integers' }],
    'bool to float32': [{ x: bools([3, 5]) }, ({ x }) => t.cast(x, 'float32'), { withoutGradient: 'truth values' }],
    'float32 to int32': [
      { x: constant([3, 5], { std: 4 }) },
      ({ x }) => t.cast(x, 'int32'),
      { withoutGradient: 'its result is integers' },
    ],
  }),
]
