import * as t from '@filature/tensor'
import { constant, type Entry, idsOf, normal, of, positive } from './entry.ts'

type Reduction = (x: t.Tensor, axis?: number | number[], keepDims?: boolean) => t.Tensor

function reduction(op: string, fn: Reduction, spec = normal): Entry[] {
  return of(op, {
    'last axis': [{ x: spec([5, 37]) }, ({ x }) => fn(x, -1)],
    'first axis, kept': [{ x: spec([5, 7]) }, ({ x }) => fn(x, 0, true)],
    'two axes': [{ x: spec([3, 4, 5]) }, ({ x }) => fn(x, [0, 2])],
    everything: [{ x: spec([3, 4, 5]) }, ({ x }) => fn(x)],
    'a long row': [{ x: spec([2, 1031]) }, ({ x }) => fn(x, 1)],
  })
}

const indices = { withoutGradient: 'its result is indices' }
const ties = Array.from({ length: 24 }, (_, i) => (i * 5) % 4)

export const reduce: Entry[] = [
  ...reduction('sum', t.sum),
  ...reduction('mean', t.mean),
  ...reduction('max', t.max),
  ...reduction('min', t.min),
  ...of('prod', {
    'last axis': [{ x: positive([4, 5], 0.5) }, ({ x }) => t.prod(x, -1)],
    'two axes': [{ x: positive([4, 3, 2], 0.5) }, ({ x }) => t.prod(x, [0, 2])],
    everything: [{ x: positive([3, 3], 0.5) }, ({ x }) => t.prod(x)],
    'with zeros': [{ x: normal([3, 3], { values: [2, 0, 3, 0, 0, 1, 4, 5, 6] }) }, ({ x }) => t.prod(x, 1)],
    'first axis, kept': [{ x: positive([4, 5], 0.5) }, ({ x }) => t.prod(x, 0, true)],
  }),
  ...of('argMax', {
    floats: [{ x: normal([7, 33]) }, ({ x }) => t.argMax(x), indices],
    'the first of equals': [{ x: idsOf([4, 6], ties) }, ({ x }) => t.argMax(t.cast(x, 'float32')), indices],
    'first axis': [{ x: normal([9, 5]) }, ({ x }) => t.argMax(x, 0), indices],
  }),
  ...of('topK', {
    'values and indices': [
      { x: constant([4, 33]) },
      ({ x }) => Object.values(t.topK(x, 5)),
      { withoutGradient: 'it selects' },
    ],
    all: [{ x: constant([2, 9]) }, ({ x }) => Object.values(t.topK(x, 9)), { withoutGradient: 'it selects' }],
  }),
  ...of('cumsum', {
    'last axis': [{ x: normal([3, 17]) }, ({ x }) => t.cumsum(x)],
    'first axis': [{ x: normal([5, 4]) }, ({ x }) => t.cumsum(x, 0)],
    'a vector': [{ x: normal([9]) }, ({ x }) => t.cumsum(x)],
  }),
  ...of('softmax', {
    rows: [{ x: normal([5, 37], { std: 3 }) }, ({ x }) => t.softmax(x)],
    'large scores': [{ x: normal([3, 9], { std: 40 }) }, ({ x }) => t.softmax(x)],
    'three axes': [{ x: normal([2, 3, 5]) }, ({ x }) => t.softmax(x)],
  }),
  ...of('logSoftmax', {
    rows: [{ x: normal([5, 37], { std: 3 }) }, ({ x }) => t.logSoftmax(x)],
    'three axes': [{ x: normal([2, 3, 5]) }, ({ x }) => t.logSoftmax(x)],
  }),
  ...of('logSumExp', {
    'last axis': [{ x: normal([5, 37], { std: 3 }) }, ({ x }) => t.logSumExp(x)],
    'two axes, kept': [{ x: normal([3, 4, 5]) }, ({ x }) => t.logSumExp(x, [1, 2], true)],
  }),
]
