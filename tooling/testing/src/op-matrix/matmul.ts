import * as t from '@filature/tensor'
import { type Entry, normal, of } from './entry.ts'

function product(a: number[], b: number[], options: { transposeA?: boolean; transposeB?: boolean } = {}) {
  const run: Entry['run'] = (x) => t.matMul(x.a, x.b, options)
  return [{ a: normal(a), b: normal(b) }, run] as const
}

const kinds: t.ActivationKind[] = ['none', 'relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid', 'quick_gelu']

/** relu's kink would fall between two finite differences somewhere; the others are smooth. */
const differences = (kind: t.ActivationKind): Partial<Entry> =>
  kind === 'relu' ? { withoutDifferences: 'a kink may lie between the two points' } : {}

export const matmul: Entry[] = [
  ...of('matMul', {
    matrices: product([7, 5], [5, 9]),
    'first transposed': product([5, 7], [5, 9], { transposeA: true }),
    'second transposed': product([7, 5], [9, 5], { transposeB: true }),
    'both transposed': product([5, 7], [9, 5], { transposeA: true, transposeB: true }),
    'a batch': product([3, 7, 5], [3, 5, 9]),
    'a batch, second transposed': product([2, 3, 7, 5], [2, 3, 9, 5], { transposeB: true }),
    'a batch, first transposed': product([3, 5, 7], [3, 5, 9], { transposeA: true }),
    'a batch and one matrix': product([3, 7, 5], [5, 9]),
    'one matrix and a batch': product([7, 5], [3, 5, 9]),
    'broadcast batches': product([3, 1, 7, 5], [2, 5, 9]),
    'odd and larger than a tile': product([67, 129], [129, 35]),
    'a row': product([1, 65], [65, 33]),
    'a column': product([33, 65], [65, 1]),
    'inner size one': product([9, 1], [1, 7]),
  }),
  ...of(
    'linear',
    Object.fromEntries(
      kinds.map((kind) => [
        `${kind}, bias`,
        [
          { x: normal([2, 9, 7]), weight: normal([11, 7]), bias: normal([11]) },
          ({ x, weight, bias }: Record<string, t.Tensor>) => t.linear(x!, weight!, bias, kind),
          differences(kind),
        ],
      ]),
    ),
  ),
  ...of('linear', {
    'without bias': [{ x: normal([5, 7]), weight: normal([11, 7]) }, ({ x, weight }) => t.linear(x, weight)],
    'without bias, gelu': [
      { x: normal([5, 7]), weight: normal([11, 7]) },
      ({ x, weight }) => t.linear(x, weight, undefined, 'gelu'),
    ],
    'a vector': [
      { x: normal([7]), weight: normal([11, 7]), bias: normal([11]) },
      ({ x, weight, bias }) => t.linear(x, weight, bias),
    ],
    'one row': [
      { x: normal([1, 133]), weight: normal([67, 133]), bias: normal([67]) },
      ({ x, weight, bias }) => t.linear(x, weight, bias, 'silu'),
    ],
    'odd and larger than a tile': [
      { x: normal([67, 129], { std: 0.3 }), weight: normal([35, 129], { std: 0.3 }), bias: normal([35]) },
      ({ x, weight, bias }) => t.linear(x, weight, bias, 'gelu_tanh'),
    ],
    'a frozen weight': [
      { x: normal([5, 7]), weight: normal([11, 7], { constant: true }), bias: normal([11]) },
      ({ x, weight, bias }) => t.linear(x, weight, bias, 'tanh'),
    ],
  }),
]
