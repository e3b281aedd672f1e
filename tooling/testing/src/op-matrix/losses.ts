import * as t from '@filature/tensor'
import { constant, type Entry, idsOf, normal, of } from './entry.ts'

const labels = idsOf([6], [3, -100, 0, 4, 2, 2])
const weight = { shape: [5], kind: 'float', above: 0.2, constant: true } as const
const probabilities = constant([3, 4], {
  values: [0.1, 0.2, 0.3, 0.4, 0, 0.5, 0.25, 0.25, 0.7, 0.1, 0.1, 0.1].map(Math.fround),
})
const pair = { x: normal([4, 7]), y: constant([4, 7]) }

export const losses: Entry[] = [
  ...of('crossEntropy', {
    mean: [{ x: normal([6, 5]), labels }, (i) => t.crossEntropy(i.x, i.labels)],
    sum: [{ x: normal([6, 5]), labels }, (i) => t.crossEntropy(i.x, i.labels, { reduction: 'sum' })],
    none: [{ x: normal([6, 5]), labels }, (i) => t.crossEntropy(i.x, i.labels, { reduction: 'none' })],
    'class weights and smoothing': [
      { x: normal([6, 5]), labels, weight },
      (i) => t.crossEntropy(i.x, i.labels, { weight: i.weight, labelSmoothing: 0.1 }),
    ],
    'batch and time': [
      { x: normal([2, 3, 5]), labels: idsOf([2, 3], [3, -100, 0, 4, 2, 2]) },
      (i) => t.crossEntropy(i.x, i.labels, { labelSmoothing: 0.1 }),
    ],
  }),
  ...of('softCrossEntropy', {
    mean: [{ x: normal([3, 4]), p: probabilities }, ({ x, p }) => t.softCrossEntropy(x, p)],
  }),
  ...of('mseLoss', {
    mean: [pair, ({ x, y }) => t.mseLoss(x, y)],
    none: [pair, ({ x, y }) => t.mseLoss(x, y, { reduction: 'none' })],
  }),
  ...of('l1Loss', { sum: [pair, ({ x, y }) => t.l1Loss(x, y, { reduction: 'sum' })] }),
  ...of('huberLoss', { 'a delta': [pair, ({ x, y }) => t.huberLoss(x, y, { delta: 0.7 })] }),
  ...of('smoothL1Loss', { 'a beta': [pair, ({ x, y }) => t.smoothL1Loss(x, y, { beta: 0.5 })] }),
  ...of('bceWithLogitsLoss', {
    mean: [{ x: normal([3, 4], { std: 4, awayFrom: [0] }), y: probabilities }, ({ x, y }) => t.bceWithLogitsLoss(x, y)],
  }),
  ...of('klDivLoss', {
    batchmean: [{ x: normal([3, 4]), p: probabilities }, ({ x, p }) => t.klDivLoss(x, p)],
    none: [{ x: normal([3, 4]), p: probabilities }, ({ x, p }) => t.klDivLoss(x, p, { reduction: 'none' })],
  }),
  ...of('nllLoss', {
    mean: [{ x: normal([6, 5]), labels }, (i) => t.nllLoss(i.x, i.labels)],
    none: [{ x: normal([6, 5]), labels }, (i) => t.nllLoss(i.x, i.labels, { reduction: 'none' })],
  }),
]
