import * as t from '@filature/tensor'
import { type Entry, normal, of } from './entry.ts'

const gain = (shape: readonly number[]) => normal(shape, { mean: 1, std: 0.5 })

export const norms: Entry[] = [
  ...of('layerNorm', {
    'weight and bias': [
      { x: normal([3, 5, 24]), weight: gain([24]), bias: normal([24]) },
      ({ x, weight, bias }) => t.layerNorm(x, weight, bias, 1e-5),
    ],
    'weight only': [{ x: normal([4, 17]), weight: gain([17]) }, ({ x, weight }) => t.layerNorm(x, weight)],
    plain: [{ x: normal([4, 17]) }, ({ x }) => t.layerNorm(x)],
    'far from zero': [
      { x: normal([4, 33], { mean: 20 }), weight: gain([33]), bias: normal([33]) },
      ({ x, weight, bias }) => t.layerNorm(x, weight, bias, 1e-12),
      { times: 20 },
    ],
    'a wide row': [
      { x: normal([2, 1031]), weight: gain([1031]), bias: normal([1031]) },
      ({ x, weight, bias }) => t.layerNorm(x, weight, bias),
    ],
    'many rows': [
      { x: normal([131, 9]), weight: gain([9]), bias: normal([9]) },
      ({ x, weight, bias }) => t.layerNorm(x, weight, bias),
    ],
  }),
  ...of('rmsNorm', {
    rows: [{ x: normal([3, 5, 24]), weight: gain([24]) }, ({ x, weight }) => t.rmsNorm(x, weight, 1e-6)],
    'a wide row': [{ x: normal([2, 1031]), weight: gain([1031]) }, ({ x, weight }) => t.rmsNorm(x, weight)],
    'many rows': [{ x: normal([131, 9]), weight: gain([9]) }, ({ x, weight }) => t.rmsNorm(x, weight)],
  }),
  ...of('groupNorm', {
    'two groups': [
      { x: normal([2, 6, 3, 4]), weight: gain([6]), bias: normal([6]) },
      ({ x, weight, bias }) => t.groupNorm(x, 2, weight, bias),
    ],
  }),
  ...of('batchNorm', {
    'all vectors': [
      {
        x: normal([3, 4, 5]),
        mean: normal([4]),
        variance: { shape: [4], kind: 'float', above: 0.3 },
        weight: gain([4]),
        bias: normal([4]),
      },
      ({ x, mean, variance, weight, bias }) => t.batchNorm(x, mean, variance, weight, bias),
    ],
  }),
]
