import { beforeAll, expect, it } from 'vitest'
import { cpu, matMul, useBackend, zeros } from '../index.ts'

beforeAll(async () => void (await useBackend(cpu())))

it('refuses what has no product, and says which sizes differ', () => {
  const [a, b] = [zeros([2, 3]), zeros([4, 5])]
  expect(() => matMul(a, b)).toThrow('got [2,3] and [4,5]: 3 is not 4.')
  expect(() => matMul(a, b, { transposeA: true, transposeB: true })).toThrow(
    '[2,3] transposed and [4,5] transposed: 2 is',
  )
  expect(() => matMul(zeros([7, 2, 3]), zeros([7, 4, 2]), { transposeB: true })).toThrow('3 is not 2')
  expect(() => matMul(zeros([3]), a)).toThrow(/rank 2 or more/)
  expect(matMul(zeros([7, 2, 3]), zeros([5, 3]), { transposeB: true }).shape).toEqual([7, 2, 5])
})
