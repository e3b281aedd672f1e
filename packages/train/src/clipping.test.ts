import { cpu, type Tensor, tensor, tidy, useBackend } from '@filature/tensor'
import { beforeAll, expect, it } from 'vitest'
import { clipByNorm, clipByValue, totalNorm } from './index.ts'

beforeAll(async () => {
  await useBackend(cpu())
})

const grads = () =>
  new Map<string, Tensor>([
    ['a', tensor([3, -4])],
    ['b', tensor([[0], [12]])],
  ])
const norm = (type?: 1 | 2 | typeof Number.POSITIVE_INFINITY) => tidy(() => totalNorm(grads(), type).dataSync()[0])

it('measures all gradients together', () => {
  expect(norm()).toBe(13)
  expect(norm(1)).toBe(19)
  expect(norm(Number.POSITIVE_INFINITY)).toBe(12)
  expect(() => totalNorm(new Map())).toThrow(/at least one gradient/)
  expect(() => totalNorm(grads(), 3 as 2)).toThrow(/norm 1, 2 or Infinity/)
})

it('scales them together, only down', () => {
  tidy(() => {
    const { grads: half, totalNorm: before } = clipByNorm(grads(), 6.5)
    expect(before.dataSync()[0]).toBe(13)
    expect([...half.get('a')!.dataSync()]).toEqual([1.5, -2].map((x) => expect.closeTo(x, 6)))
    expect([...clipByNorm(grads(), 14).grads.get('b')!.dataSync()]).toEqual([0, 12])
    expect(half.get('b')!.shape).toEqual([2, 1])
  })
})

it('holds each element to a value', () => {
  tidy(() => {
    expect([...clipByValue(grads(), 3.5).get('a')!.dataSync()]).toEqual([3, -3.5])
  })
})

it('lets a broken gradient show', () => {
  tidy(() => {
    const broken = new Map<string, Tensor>([['a', tensor([Number.NaN, 1])]])
    expect([...clipByNorm(broken, 1).grads.get('a')!.dataSync()].every(Number.isNaN)).toBe(true)
  })
})
