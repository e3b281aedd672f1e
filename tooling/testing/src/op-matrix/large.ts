import * as t from '@filature/tensor'
import { type Entry, ids, normal, of } from './entry.ts'

// Beyond every block, tile and thread split of a kernel, in sizes that divide by nothing.

const large: Partial<Entry> = {
  withoutDifferences: 'the same definition as the small ones, in sizes that take long',
  kernelsOnly: true,
}
const spread = { std: 0.2 }

const product = (a: number[], b: number[], options = {}) =>
  [
    { a: normal(a, spread), b: normal(b, spread) },
    (x: Record<string, t.Tensor>) => t.matMul(x.a!, x.b!, options),
    large,
  ] as const

const attention = (T: number, S: number, G: number, D: number, options: t.AttentionOptions) =>
  [
    { q: normal([1, T, 6, D]), k: normal([1, S, G, D]), v: normal([1, S, G, D]) },
    ({ q, k, v }: Record<string, t.Tensor4D>) => t.attention(q!, k!, v!, options),
    large,
  ] as const

const layer = (mode: t.RecurrentMode, reverse: boolean) => {
  const n = t.gateCount[mode] * 130
  const run: Entry['run'] = ({ x, h, c, w_ih, w_hh, b_ih, b_hh }) => {
    const result = t.recurrent(mode, x, { h, c }, { w_ih, w_hh, b_ih, b_hh }, { reverse })
    return [result.out, ...(result.c ? [result.c] : [])]
  }
  const inputs = {
    x: normal([9, 17, 67]),
    h: normal([17, 130]),
    ...(mode === 'lstm' ? { c: normal([17, 130]) } : {}),
    w_ih: normal([n, 67], { std: 0.1 }),
    w_hh: normal([n, 130], { std: 0.08 }),
    b_ih: normal([n], spread),
    b_hh: normal([n], spread),
  }
  return [inputs, run, large] as const
}

export const largeSizes: Entry[] = [
  ...of('matMul', {
    'large, plain': product([203, 311], [311, 157]),
    'large, first transposed': product([311, 203], [311, 157], { transposeA: true }),
    'large, second transposed': product([203, 311], [157, 311], { transposeB: true }),
    'large, both transposed': product([311, 203], [157, 311], { transposeA: true, transposeB: true }),
    'large, a batch': product([5, 67, 71], [5, 71, 131]),
    'large, a long inner axis': product([9, 2053], [2053, 19]),
    'large, one row': product([1, 1027], [1027, 515]),
  }),
  ...of('linear', {
    'large, gelu': [
      { x: normal([3, 37, 515], spread), weight: normal([261, 515], spread), bias: normal([261]) },
      ({ x, weight, bias }) => t.linear(x, weight, bias, 'gelu'),
      large,
    ],
    'large, one row': [
      { x: normal([1, 1027], spread), weight: normal([515, 1027], spread), bias: normal([515]) },
      ({ x, weight, bias }) => t.linear(x, weight, bias, 'silu'),
      large,
    ],
  }),
  ...of('attention', {
    'large, plain': attention(131, 131, 6, 32, {}),
    'large, causal, grouped, D 64': attention(131, 131, 2, 64, { causal: true }),
    'large, with a past': attention(37, 259, 3, 40, { causal: true }),
    'large, window': attention(150, 150, 6, 16, { causal: true, window: [17, 0] }),
    'large, both sides of a window': attention(150, 150, 3, 16, { window: [33, 5] }),
    'large, dropout': attention(67, 131, 6, 24, { dropout: { rate: 0.2, key: [3, 4], counter: [5, 6] } }),
    'large, one query, D 128': attention(1, 517, 2, 128, { causal: true }),
  }),
  ...of('recurrent', {
    'large, tanh': layer('tanh', false),
    'large, lstm': layer('lstm', false),
    'large, gru, reverse': layer('gru', true),
  }),
  ...of('softmaxCrossEntropy', {
    large: [
      { x: normal([71, 1003], { std: 3 }), labels: ids([71], 1003) },
      (i) => t.softmaxCrossEntropy(i.x, i.labels, { labelSmoothing: 0.1 }),
      large,
    ],
  }),
  ...of('embedding', {
    'large, many the same': [
      { weight: normal([29, 131]), i: ids([7, 101], 29) },
      ({ weight, i }) => t.embedding(weight, i),
      large,
    ],
  }),
  ...of('layerNorm', {
    large: [
      { x: normal([67, 515]), weight: normal([515]), bias: normal([515]) },
      ({ x, weight, bias }) => t.layerNorm(x, weight, bias),
      large,
    ],
  }),
  ...of('rmsNorm', {
    large: [{ x: normal([67, 515]), weight: normal([515]) }, ({ x, weight }) => t.rmsNorm(x, weight), large],
  }),
  ...of('gelu', { large: [{ x: normal([17, 1031], { std: 2 }) }, ({ x }) => t.gelu(x), large] }),
  ...of('additiveScores', {
    large: [
      { a: normal([3, 17, 133]), b: normal([3, 29, 133]), v: normal([133]) },
      ({ a, b, v }) => t.additiveScores(a, b, v),
      large,
    ],
  }),
  ...of('swiglu', {
    large: [{ gate: normal([17, 1031]), up: normal([17, 1031]) }, ({ gate, up }) => t.swiglu(gate, up), large],
  }),
  ...of('softmax', { large: [{ x: normal([67, 1031], { std: 3 }) }, ({ x }) => t.softmax(x), large] }),
  ...of('sum', { 'large, everything': [{ x: normal([67, 1031]) }, ({ x }) => t.sum(x), { ...large, times: 10 }] }),
  ...of('transpose', {
    'large, heads apart': [{ x: normal([3, 67, 5, 33]) }, ({ x }) => t.transpose(x, [0, 2, 1, 3]), large],
  }),
]
