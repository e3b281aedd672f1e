import { Command } from 'commander'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { activate, type BackendOptions, describeBackend, numberWithin, wholeNumber, withBackend } from './index.ts'

afterEach(() => vi.restoreAllMocks())

describe('numbers', () => {
  it.each([
    ['7', 7],
    [' 1e3 ', 1000],
  ])('reads %j as a whole number', (text, value) => expect(wholeNumber(1)(text)).toBe(value))

  it.each(['', ' ', '0', '1.5', 'seven', '1e300'])('refuses %j', (text) => {
    expect(() => wholeNumber(1)(text)).toThrow(/whole number of at least 1/)
  })

  it('keeps to bounds, both of them or the lower one', () => {
    expect([numberWithin(0, 0.5)('0.5'), numberWithin(0.01)('1e9')]).toEqual([0.5, 1e9])
    expect(() => numberWithin(0, 0.5)('0.6')).toThrow(/a number from 0 to 0\.5/)
    expect(() => numberWithin(0.01)('0')).toThrow(/a number of at least 0\.01/)
    expect(() => numberWithin(0)('')).toThrow(/a number of at least 0/)
  })
})

describe('the backend', () => {
  const parse = (...args: string[]) => {
    const command = withBackend(new Command('x'))
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
    return command.parse(args, { from: 'user' }).opts<BackendOptions>()
  }

  it('is the first of the list that comes up', async () => {
    expect(parse()).toEqual({ backend: 'native,wasm,cpu' })
    expect(parse('--backend', 'cpu', '--threads', '2')).toEqual({ backend: 'cpu', threads: 2 })
    expect(() => parse('--threads', '0')).toThrow(/at least 1/)
    const active = await activate({ backend: ' cpu , wasm', threads: 1 })
    expect(active.name).toBe('cpu')
    expect(describeBackend(active)).toMatch(/^cpu \(.*1 thread/)
  })

  it('must be one that is known', async () => {
    await expect(activate({ backend: 'cpu,abacus' })).rejects.toThrow(/names of native,wasm,cpu, got "abacus"/)
    await expect(activate({ backend: 'constructor' })).rejects.toThrow(/got "constructor"/)
  })
})
