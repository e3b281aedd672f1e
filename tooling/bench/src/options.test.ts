import { describe, expect, it } from 'vitest'
import { chosenOf, optionsOf } from './options.ts'

describe('options', () => {
  it('are what the usage says when they are left out', () => {
    expect(optionsOf([])).toEqual({
      names: [],
      backend: 'native',
      threads: 2,
      budget: 3000,
      json: false,
      list: false,
      help: false,
    })
  })

  it('are taken', () => {
    const given = ['gpt', '--backend', 'wasm', 'vit', '--threads', '1', '--budget', '50', '--json']
    expect(optionsOf(given)).toMatchObject({
      names: ['gpt', 'vit'],
      backend: 'wasm',
      threads: 1,
      budget: 50,
      json: true,
    })
  })

  it.each([
    [['--backend', 'torch'], /wanted the backend native, wasm, webgpu, cpu, got 'torch'/],
    [['--backend', 'cpu', '--threads', '2'], /the cpu backend has no --threads/],
    [['--threads', '0'], /above 0 for --threads, got '0'/],
    [['--threads', 'two'], /got 'two'/],
    [['--budget', 'long'], /for --budget, got 'long'/],
    [['--speed'], /Unknown option '--speed'/],
  ])('%j is refused', (args, message) => {
    expect(() => optionsOf(args)).toThrow(message)
  })
})

describe('names', () => {
  const bench = (name: string) => ({ name, about: '', setUp: async () => ({ run: () => {} }) })
  const benches = ['gpt-b1', 'gpt-b8', 'vit'].map(bench)
  const chosen = (...names: string[]) => chosenOf(benches, names).map(({ name }) => name)

  it('are beginnings', () => {
    expect(chosen()).toEqual(['gpt-b1', 'gpt-b8', 'vit'])
    expect(chosen('vit', 'gpt-b8')).toEqual(['gpt-b8', 'vit'])
  })

  it('are each the beginning of something', () => {
    expect(() => chosen('gpt', 'bert')).toThrow(/no bench begins with 'bert'/)
  })
})
