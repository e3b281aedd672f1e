import * as t from '@filature/tensor'
import { constant, type Entry, normal, of } from './entry.ts'

interface Sizes {
  readonly B?: number
  readonly T?: number
  readonly S?: number
  readonly H?: number
  readonly G?: number
  readonly D?: number
  readonly E?: number
}

const D1 = { B: 2, T: 5, S: 7, H: 4, D: 8 }

const inputs = ({ B = D1.B, T = D1.T, S = D1.S, H = D1.H, G = H, D = D1.D, E = D }: Sizes) => ({
  q: normal([B, T, H, D]),
  k: normal([B, S, G, D]),
  v: normal([B, S, G, E]),
})

function plain(sizes: Sizes, options: t.AttentionOptions = {}, more: Partial<Entry> = {}) {
  const run: Entry['run'] = ({ q, k, v }) => t.attention(q, k, v, options)
  return [inputs(sizes), run, more] as const
}

/** A learned bias: differentiated too, summed over the axes along which it is spread. */
function biased(bias: number[], sizes: Sizes = {}, options: t.AttentionOptions = {}, more: Partial<Entry> = {}) {
  const run: Entry['run'] = (x) => t.attention(x.q, x.k, x.v, { ...options, bias: x.bias })
  return [{ ...inputs(sizes), bias: normal(bias) }, run, more] as const
}

/** -inf (or the least finite number) where `excluded` says so; queries that see nothing give zeros. */
function masked(
  shape: number[],
  excluded: (index: number) => boolean,
  value: number,
  options: t.AttentionOptions = {},
) {
  const size = shape.reduce((a, b) => a * b, 1)
  const values = Array.from({ length: size }, (_, i) => (excluded(i) ? value : 0))
  const run: Entry['run'] = (x) => t.attention(x.q, x.k, x.v, { ...options, bias: x.mask })
  return [{ ...inputs({}), mask: constant(shape, { values }) }, run] as const
}

const LEAST = -3.4028234663852886e38

export const attention: Entry[] = [
  ...of('attention', {
    plain: plain({}),
    'a scale': plain({}, { scale: 0.7 }),
    causal: plain({ T: 6, S: 6 }, { causal: true }),
    'causal, aligned at the end': plain({ T: 3, S: 7 }, { causal: true }),
    'causal, more queries than keys': plain({ T: 7, S: 3 }, { causal: true }),
    window: plain({ T: 9, S: 9 }, { window: [2, 1] }),
    'causal window': plain({ T: 9, S: 9 }, { causal: true, window: [3, 0] }),
    'window with a past': plain({ T: 3, S: 9 }, { window: [2, 2] }),
    'grouped heads': plain({ G: 2 }),
    'one key head, causal': plain({ G: 1, T: 7, S: 7 }, { causal: true }),
    'values of another width': plain({ E: 5 }),
    'one query': plain({ T: 1, S: 37, G: 2 }),
    'longer than a tile': plain({ B: 1, T: 67, S: 131, H: 2, D: 16 }, { causal: true }),
    'a wide head': plain({ B: 1, T: 5, S: 9, H: 1, D: 72 }),
    'bias of full shape': biased([2, 4, 5, 7]),
    'bias by head': biased([1, 4, 5, 7]),
    'bias by key': biased([2, 1, 1, 7]),
    // softmax does not feel it: its gradient is zero, out of terms that are not
    'bias by query, causal': biased([1, 1, 5, 1], { S: 5 }, { causal: true }, { times: 10 }),
    'bias with grouped heads': biased([1, 4, 5, 7], { G: 2 }),
    'padding by -inf': masked([2, 1, 1, 7], (i) => i > 10 || i === 2, Number.NEGATIVE_INFINITY),
    'rows without a key': masked([2, 1, 5, 7], (i) => i % 3 === 0 || (i >= 7 && i < 14), Number.NEGATIVE_INFINITY),
    'padding by the least number': masked([2, 1, 1, 7], (i) => i > 10, LEAST),
    dropout: plain({}, { dropout: { rate: 0.3, key: [7, 8], counter: [9, 1] } }),
    'dropout, causal, grouped': plain(
      { T: 9, S: 9, G: 2 },
      { causal: true, dropout: { rate: 0.5, key: [1, 2], counter: [3, 4] } },
    ),
  }),
  ...of('attentionPattern', {
    causal: [
      { q: normal([2, 5, 4, 8]), k: normal([2, 5, 2, 8]) },
      ({ q, k }) => t.attentionPattern(q, k, { causal: true }),
    ],
  }),
  ...of('attend', {
    grouped: [{ p: normal([2, 4, 5, 7]), v: normal([2, 7, 2, 6]) }, ({ p, v }) => t.attend(p, v)],
  }),
]
