import * as t from '@filature/tensor'
import { constant, type Entry, ids, normal, of } from './entry.ts'

// Gradient kernels are told which inputs' gradients are wanted: every single one alone, none of the others.

type Inputs = Entry['inputs']

function eachAlone(op: string, what: string, inputs: Inputs, run: Entry['run'], more: Partial<Entry> = {}): Entry[] {
  const names = Object.keys(inputs).filter((name) => inputs[name]!.kind === 'float' && !inputs[name]!.constant)
  return of(
    op,
    Object.fromEntries(
      names.map((wanted) => [
        `${what}, only the gradient by ${wanted}`,
        [
          Object.fromEntries(
            Object.entries(inputs).map(([name, spec]) => [name, name === wanted ? spec : { ...spec, constant: true }]),
          ),
          run,
          more,
        ],
      ]),
    ),
  )
}

/** tfjs' WebGPU engine makes a buffer for each tensor, and the API has none without bytes. */
const empty: Partial<Entry> = { notOn: { webgpu: 'tfjs has no empty tensors there' } }

const gates = (n: number) => ({
  x: normal([5, 3, 4]),
  h: normal([3, 6]),
  w_ih: normal([n * 6, 4], { std: 0.4 }),
  w_hh: normal([n * 6, 6], { std: 0.4 }),
  b_ih: normal([n * 6]),
  b_hh: normal([n * 6]),
})

const layer =
  (mode: t.RecurrentMode): Entry['run'] =>
  ({ x, h, c, ...weights }) => {
    const result = t.recurrent(mode, x, { h, c }, weights as t.RecurrentWeights)
    return [result.out, result.h, ...(result.c ? [result.c] : [])]
  }

const heads = { q: normal([2, 5, 4, 8]), k: normal([2, 7, 2, 8]), v: normal([2, 7, 2, 6]), bias: normal([2, 4, 5, 7]) }

export const partial: Entry[] = [
  ...eachAlone('linear', 'gelu', { x: normal([2, 3, 7]), weight: normal([5, 7]), bias: normal([5]) }, (i) =>
    t.linear(i.x, i.weight, i.bias, 'gelu'),
  ),
  ...eachAlone('linear', 'plain', { x: normal([6, 7]), weight: normal([5, 7]), bias: normal([5]) }, (i) =>
    t.linear(i.x, i.weight, i.bias),
  ),
  ...eachAlone('matMul', 'a batch', { a: normal([2, 3, 5]), b: normal([2, 5, 4]) }, ({ a, b }) => t.matMul(a, b)),
  ...eachAlone('layerNorm', 'full', { x: normal([6, 9]), weight: normal([9]), bias: normal([9]) }, (i) =>
    t.layerNorm(i.x, i.weight, i.bias),
  ),
  ...eachAlone('rmsNorm', 'full', { x: normal([6, 9]), weight: normal([9]) }, (i) => t.rmsNorm(i.x, i.weight)),
  ...eachAlone('additiveScores', 'full', { a: normal([2, 3, 9]), b: normal([2, 4, 9]), v: normal([9]) }, (i) =>
    t.additiveScores(i.a, i.b, i.v),
  ),
  ...eachAlone('swiglu', 'full', { gate: normal([4, 9]), up: normal([4, 9]) }, (i) => t.swiglu(i.gate, i.up)),
  ...eachAlone('attention', 'grouped, causal', heads, ({ q, k, v, bias }) =>
    t.attention(q, k, v, { bias, causal: true }),
  ),
  ...eachAlone('recurrent', 'gru', gates(3), layer('gru')),
  ...eachAlone('recurrent', 'lstm', { ...gates(4), c: normal([3, 6]) }, layer('lstm')),
  ...of('recurrent', {
    'lstm, only its last cell state used': [
      { ...gates(4), c: normal([3, 6]) },
      ({ x, h, c, ...w }) => t.mul(t.recurrent('lstm', x, { h, c }, w as t.RecurrentWeights).c!, 2),
    ],
    'gru, only its last state used': [
      gates(3),
      ({ x, h, ...w }) => t.mul(t.recurrent('gru', x, { h }, w as t.RecurrentWeights).h, 2),
    ],
    'lstm, only its outputs used': [
      { ...gates(4), c: normal([3, 6]) },
      ({ x, h, c, ...w }) => t.mul(t.recurrent('lstm', x, { h, c }, w as t.RecurrentWeights).out, 2),
    ],
  }),
  ...of('attention', {
    'one tensor three times': [{ x: normal([2, 5, 3, 4]) }, ({ x }) => t.attention(x, x, x, { causal: true })],
  }),
  ...of('linear', {
    'one tensor as rows and weight': [{ x: normal([5, 5]) }, ({ x }) => t.linear(x, x, undefined, 'tanh')],
    'no rows': [
      { x: normal([0, 7]), weight: normal([5, 7]), bias: normal([5]) },
      (i) => t.linear(i.x, i.weight, i.bias),
      empty,
    ],
  }),
  ...of('layerNorm', {
    'no rows': [{ x: normal([0, 9]), weight: normal([9]) }, (i) => t.layerNorm(i.x, i.weight), empty],
  }),
  ...of('softmax', { 'no rows': [{ x: normal([0, 9]) }, ({ x }) => t.softmax(x), empty] }),
  ...of('gelu', { 'no elements': [{ x: normal([0]) }, ({ x }) => t.gelu(x), empty] }),
  ...of('embedding', {
    'no ids': [{ weight: normal([5, 3]), i: ids([0], 5) }, ({ weight, i }) => t.embedding(weight, i), empty],
  }),
  ...of('softmaxCrossEntropy', {
    'weighted rows': [
      { x: normal([4, 7]), labels: ids([4], 7), w: constant([4]) },
      (i) => t.mul(t.softmaxCrossEntropy(i.x, i.labels), i.w),
    ],
  }),
]
