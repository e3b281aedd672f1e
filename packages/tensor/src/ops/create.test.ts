import { expect, it } from 'vitest'
import { Rng } from '../rng.ts'
import { tensor } from './create.ts'

it('takes the doubles that an Rng draws', async () => {
  const drawn = new Rng(1).normal(6)
  const x = tensor(drawn, [2, 3])
  expect(x.dtype).toBe('float32')
  expect(x.shape).toEqual([2, 3])
  expect(Array.from(await x.data())).toEqual(Array.from(drawn, Math.fround))
})
