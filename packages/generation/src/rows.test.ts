import { expect, it } from 'vitest'
import { Rows } from './rows.ts'

it('tells up to where rows are those that take their places', () => {
  const rows = new Rows(Int32Array.of(5, 6, 5, 6, 5, 7), 3, 6)
  rows.append(Int32Array.of(1, 2, 1)) // 5 6 1, 5 6 2, 5 7 1
  const divergence = (...order: number[]) => rows.divergence(Int32Array.from(order))
  expect(divergence(0, 1, 2)).toBe(3)
  expect(divergence(1, 0, 2)).toBe(2)
  expect(divergence(1, 0, 0)).toBe(1)
  expect(divergence(0, 0, 2, 2)).toBe(0) // another number of rows: nothing stays
  rows.reorder(Int32Array.of(0, 0, 2))
  expect(divergence(1, 0, 2)).toBe(3)
})
