import { beforeAll, expect, it } from 'vitest'
import { cpu, crossEntropy, logSoftmax, mseLoss, nllLoss, type Scalar, tensor, useBackend } from './index.ts'

beforeAll(async () => void (await useBackend(cpu())))

it('makes a label that is no class NaN, and an ignored one 0', async () => {
  const logits = tensor([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3], [4, 3])
  const labels = tensor([2, 3, -1, -100], [4], 'int32')
  const weight = tensor([1, 1, 2], [3])
  const lost = Math.log(1 + Math.exp(-1) + Math.exp(-2))
  const expected = [expect.closeTo(lost, 6), Number.NaN, Number.NaN, 0]
  const reduction = 'none'
  expect([...(await crossEntropy(logits, labels, { reduction }).data())]).toEqual(expected)
  expect([...(await nllLoss(logSoftmax(logits), labels, { reduction }).data())]).toEqual(expected)
  const weighted = await crossEntropy(logits, labels, { reduction, weight }).data()
  expect([...weighted]).toEqual([expect.closeTo(2 * lost, 6), Number.NaN, Number.NaN, 0])
  expect(await nllLoss(logSoftmax(logits), labels).data()).toEqual(Float32Array.of(Number.NaN))
})

it('gives a scalar by its type, unless nothing is reduced', async () => {
  const [x, target] = [tensor([1, 2], [2]), tensor([1, 4], [2])]
  const loss: Scalar = mseLoss(x, target)
  expect(await loss.data()).toEqual(Float32Array.of(2))
  const each = mseLoss(x, target, { reduction: 'none' })
  // @ts-expect-error a tensor of any shape
  const notScalar: Scalar = each
  expect(notScalar.shape).toEqual([2])
})
