import * as t from '@filature/tensor'
import { constant, type Entry, ids, idsOf, normal, of } from './entry.ts'

const draw = (rate: number) => ({ rate, key: [12, 34], counter: [5, 6] }) as const
const labels = idsOf([6], [3, -100, 0, 10, 7, 7])
const angles = (shape: number[]) => constant(shape)

export const fused: Entry[] = [
  ...of('swiglu', {
    matrix: [{ gate: normal([5, 37], { std: 2 }), up: normal([5, 37]) }, ({ gate, up }) => t.swiglu(gate, up)],
    'three axes': [{ gate: normal([2, 3, 9]), up: normal([2, 3, 9]) }, ({ gate, up }) => t.swiglu(gate, up)],
  }),
  ...of('additiveScores', {
    matrix: [
      { a: normal([2, 5, 19]), b: normal([2, 7, 19]), v: normal([19]) },
      ({ a, b, v }) => t.additiveScores(a, b, v),
    ],
    'one query': [
      { a: normal([3, 1, 16]), b: normal([3, 9, 16]), v: normal([16]) },
      ({ a, b, v }) => t.additiveScores(a, b, v),
    ],
  }),
  ...of('sumOfSquares', {
    one: [{ x: normal([5, 37]) }, ({ x }) => t.sumOfSquares([x])],
    several: [{ x: normal([3, 7]), y: normal([11]), z: normal([]) }, ({ x, y, z }) => t.sumOfSquares([x, y, z])],
    'beyond a block': [{ x: normal([40_000]) }, ({ x }) => t.sumOfSquares([x])],
  }),
  ...of('rotary', {
    halves: [
      { x: normal([2, 7, 3, 8]), cos: angles([7, 4]), sin: angles([7, 4]) },
      ({ x, cos, sin }) => t.rotary(x, cos, sin),
    ],
    interleaved: [
      { x: normal([2, 7, 3, 8]), cos: angles([7, 4]), sin: angles([7, 4]) },
      ({ x, cos, sin }) => t.rotary(x, cos, sin, { interleaved: true }),
    ],
    'part of the width, by row': [
      { x: normal([2, 5, 3, 10]), cos: angles([2, 5, 3]), sin: angles([2, 5, 3]) },
      ({ x, cos, sin }) => t.rotary(x, cos, sin),
    ],
    'part of the width, interleaved': [
      { x: normal([2, 5, 3, 10]), cos: angles([2, 5, 3]), sin: angles([2, 5, 3]) },
      ({ x, cos, sin }) => t.rotary(x, cos, sin, { interleaved: true }),
    ],
    inverse: [
      { x: normal([1, 5, 2, 6]), cos: angles([5, 3]), sin: angles([5, 3]) },
      ({ x, cos, sin }) => t.rotary(x, cos, sin, { inverse: true }),
    ],
  }),
  ...of('softmaxCrossEntropy', {
    'ignored labels': [{ x: normal([6, 11]), labels }, (i) => t.softmaxCrossEntropy(i.x, i.labels)],
    smoothing: [{ x: normal([6, 11]), labels }, (i) => t.softmaxCrossEntropy(i.x, i.labels, { labelSmoothing: 0.2 })],
    'another ignored id': [
      { x: normal([6, 11]), labels: ids([6], 11) },
      (i) => t.softmaxCrossEntropy(i.x, i.labels, { ignoreIndex: 0 }),
    ],
    'large scores': [
      { x: normal([5, 131], { std: 20 }), labels: ids([5], 131) },
      (i) => t.softmaxCrossEntropy(i.x, i.labels),
    ],
    'excluded classes': [
      {
        x: normal([3, 5]),
        mask: constant([5], { values: [Number.NEGATIVE_INFINITY, 0, 0, 0, 0] }),
        labels: idsOf([3], [1, -100, 3]),
      },
      (i) => t.softmaxCrossEntropy(t.add(i.x, i.mask), i.labels),
    ],
    'all ignored': [
      { x: normal([3, 5]), labels: idsOf([3], [-100, -100, -100]) },
      (i) => t.softmaxCrossEntropy(i.x, i.labels, { labelSmoothing: 0.1 }),
    ],
  }),
  ...of('embedding', {
    'a matrix of ids': [{ weight: normal([13, 7]), i: ids([3, 9], 13) }, ({ weight, i }) => t.embedding(weight, i)],
    'a padding row': [
      { weight: normal([5, 9]), i: idsOf([2, 4], [1, 0, 1, 4, 1, 3, 3, 3]) },
      ({ weight, i }) => t.embedding(weight, i, 1),
      { withoutDifferences: 'the padding row has a value and, by definition, no gradient' },
    ],
    'one id': [{ weight: normal([5, 33]), i: idsOf([1], [4]) }, ({ weight, i }) => t.embedding(weight, i)],
  }),
  ...of('dropout', {
    'a third': [{ x: normal([5, 37]) }, ({ x }) => t.dropout(x, draw(1 / 3))],
    everything: [{ x: normal([3, 5]) }, ({ x }) => t.dropout(x, draw(1))],
    long: [{ x: normal([1031]) }, ({ x }) => t.dropout(x, draw(0.1))],
  }),
  ...of('dropoutMask', { matrix: [{}, () => t.dropoutMask([5, 9], draw(0.4)), { withoutGradient: 'a constant' }] }),
]
