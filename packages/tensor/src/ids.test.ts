import { beforeAll, expect, it } from 'vitest'
import { checkIds, cpu, softmaxCrossEntropy, tensor, useBackend } from './index.ts'

beforeAll(async () => {
  await useBackend(cpu())
})

it('names the first id that is outside', () => {
  checkIds('Model', [0, 4, -100], 5, -100)
  for (const bad of [5, -1, 1.5, Number.NaN]) {
    expect(() => checkIds('Model', [0, bad], 5)).toThrow(/Model: wanted ids from 0 to 4, got .* at place 1/)
  }
})

it('gives NaN for a label that is no class, and 0 for one that is ignored', () => {
  const loss = softmaxCrossEntropy(tensor([1, 2, 3, 4, 5, 6], [3, 2]), tensor([2, -100, -1], [3], 'int32')).dataSync()
  expect(Array.from(loss)).toEqual([Number.NaN, 0, Number.NaN])
})
