import * as t from '@filature/tensor'
import { constant, type Entry, idsOf, of } from './entry.ts'

// NaN in, NaN out: a diverged run must show, on every backend, and not be clipped or masked into numbers.

const forward: Partial<Entry> = { withoutGradient: 'the value is what counts' }
const sick = (shape: number[], at = 4) => {
  const size = shape.reduce((a, b) => a * b, 1)
  return constant(shape, { values: Array.from({ length: size }, (_, i) => (i === at ? Number.NaN : (i % 7) / 3 - 1)) })
}
const one = (op: string, fn: (x: t.Tensor) => t.Tensor) =>
  of(op, { 'NaN in, NaN out': [{ x: sick([3, 19]) }, ({ x }) => fn(x), forward] })

export const notANumber: Entry[] = [
  ...one('relu', t.relu),
  ...one('gelu', t.gelu),
  ...one('geluTanh', t.geluTanh),
  ...one('quickGelu', t.quickGelu),
  ...one('silu', t.silu),
  ...one('tanh', t.tanh),
  ...one('sigmoid', t.sigmoid),
  ...one('softplus', t.softplus),
  ...one('elu', t.elu),
  ...one('leakyRelu', t.leakyRelu),
  ...one('relu6', t.relu6),
  ...one('hardtanh', t.hardtanh),
  ...one('erf', t.erf),
  ...one('exp', t.exp),
  ...one('sqrt', t.sqrt),
  ...one('abs', t.abs),
  ...one('clip', (x) => t.clip(x, -0.5, 0.5)),
  ...one('maximum', (x) => t.maximum(x, 0)),
  ...one('minimum', (x) => t.minimum(x, 0)),
  ...one('max', (x) => t.max(x, -1)),
  ...one('min', (x) => t.min(x, -1)),
  ...one('sum', (x) => t.sum(x, -1)),
  ...one('softmax', t.softmax),
  ...one('logSoftmax', t.logSoftmax),
  ...one('logSumExp', (x) => t.logSumExp(x)),
  ...one('layerNorm', (x) => t.layerNorm(x)),
  ...one('rmsNorm', (x) => t.rmsNorm(x, t.ones([19]))),
  ...one('linear', (x) => t.linear(x, t.ones([5, 19]), undefined, 'relu')),
  ...one('additiveScores', (x) => t.additiveScores(t.expandDims(x, 0), t.expandDims(x, 0), t.ones([x.shape[1]!]))),
  ...one('swiglu', (x) => t.swiglu(x, t.onesLike(x))),
  ...one('matMul', (x) => t.matMul(x, x, { transposeB: true })),
  ...of('attention', {
    'NaN in, NaN out': [
      { q: sick([1, 3, 1, 4]), k: constant([1, 3, 1, 4]), v: constant([1, 3, 1, 4]) },
      ({ q, k, v }) => t.attention(q, k, v),
      forward,
    ],
    'NaN in, NaN out, causal': [
      { q: constant([1, 3, 1, 4]), k: sick([1, 3, 1, 4]), v: constant([1, 3, 1, 4]) },
      ({ q, k, v }) => t.attention(q, k, v, { causal: true }),
      forward,
    ],
  }),
  ...of('softmaxCrossEntropy', {
    'a label that is no class': [
      { x: constant([4, 19]), labels: idsOf([4], [1, 19, -5, -100]) },
      (i) => t.softmaxCrossEntropy(i.x, i.labels),
      { ...forward, notOn: { native: 'it throws there' } },
    ],
    'NaN in, NaN out': [
      { x: sick([3, 19]), labels: idsOf([3], [1, 2, 3]) },
      (i) => t.softmaxCrossEntropy(i.x, i.labels),
      forward,
    ],
  }),
  ...of('nllLoss', {
    'a label that is no class': [
      { x: constant([4, 19]), labels: idsOf([4], [1, 19, -5, -100]) },
      (i) => t.nllLoss(i.x, i.labels, { reduction: 'none' }),
      forward,
    ],
  }),
  ...of('crossEntropy', {
    'a label that is no class, with weights': [
      { x: constant([4, 19]), labels: idsOf([4], [1, 19, -5, -100]), weight: constant([19]) },
      (i) => t.crossEntropy(i.x, i.labels, { weight: i.weight, labelSmoothing: 0.1, reduction: 'none' }),
      forward,
    ],
  }),
]
