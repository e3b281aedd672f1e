import { expect, it } from 'vitest'
import { type Engine, engine, missingInternals } from './engine.ts'

it('finds what an engine of another version lacks', () => {
  expect(missingInternals(engine)).toEqual([])
  const without = (of: object, name: string) => Object.create(of, { [name]: { value: undefined } })
  expect(missingInternals(without(engine, 'track') as Engine)).toEqual(['track'])
  const state = without(engine.state, 'tensorInfo')
  expect(missingInternals(Object.create(engine, { state: { value: state } }) as Engine)).toEqual(['state.tensorInfo'])
})
