import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  activate,
  type BackendOptions,
  backendFlags,
  callOf,
  describeBackend,
  list,
  numberWithin,
  programOf,
  wholeNumber,
  withBackend,
} from './index.ts'

beforeEach(() => void vi.stubEnv('FILATURE_CHECKOUT', undefined))
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

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
    for (const text of ['', 'Infinity', 'NaN', '1e999']) {
      expect(() => numberWithin(0)(text), text).toThrow(/a number of at least 0/)
    }
  })

  it('reads lists', () => {
    expect(list(wholeNumber(1))('8, 40')).toEqual([8, 40])
    for (const text of ['', '8,', '8,x']) expect(() => list(wholeNumber(1))(text), text).toThrow(/at least 1/)
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
    expect(active).toMatchObject({ name: 'cpu', passedOver: [] })
    expect(describeBackend(active)).toMatch(/^cpu \(.*1 thread\)$/)
  })

  it('says of those before it why they are not the one', async () => {
    vi.doMock('@filature/backend-native', () => ({
      native: () => ({ name: 'native', available: async () => 'no binary for this machine; compile it' }),
    }))
    const active = await activate({ backend: 'native,cpu' })
    expect(describeBackend(active)).toMatch(/^cpu \(.*\n {2}not native: no binary for this machine; compile it$/)
    vi.doUnmock('@filature/backend-native')
  })

  it('must be one that is known', async () => {
    await expect(activate({ backend: 'cpu,abacus' })).rejects.toThrow(/names of native,wasm,cpu, got "abacus"/)
    await expect(activate({ backend: 'constructor' })).rejects.toThrow(/got "constructor"/)
  })

  it('has the threads that were asked for, or is none', async () => {
    await expect(activate({ backend: 'cpu', threads: 2 })).rejects.toThrow(/the cpu backend has one/)
    await expect(activate({ backend: 'wasm,cpu', threads: 5000 })).rejects.toThrow(/threads must be/)
  })

  it('can be typed once more', () => {
    expect(backendFlags(parse())).toBe('')
    expect(backendFlags(parse('--backend', 'wasm', '--threads', '2'))).toBe(' --backend wasm --threads 2')
  })
})

describe('a program', () => {
  it('is called as it is typed: by its own name, or in a checkout by npm', () => {
    const usage = () => programOf('train', 'Trains.', [new Command('char')]).commands[0]!.helpInformation()
    expect([callOf('train'), callOf('infer')]).toEqual(['filature-train', 'filature-infer'])
    expect(usage()).toMatch(/^Usage: filature-train char/)
    vi.stubEnv('FILATURE_CHECKOUT', '1')
    expect([callOf('train'), callOf('infer')]).toEqual(['npm start --', 'npm run infer --'])
    expect(usage()).toMatch(/^Usage: npm start -- char/)
  })

  it('says with an error where to read more', async () => {
    let said = ''
    const char = new Command('char').option('--steps <n>', 'steps', wholeNumber(1))
    const program = programOf('train', 'Trains.', [char])
    for (const one of [program, char]) {
      const writeErr = (text: string) => {
        said += text
      }
      one.exitOverride().configureOutput({ writeErr })
    }
    await expect(program.parseAsync(['char', '--steps', '0'], { from: 'user' })).rejects.toThrow(/at least 1/)
    expect(said).toMatch(/Wanted a whole number of at least 1\.\nIts options: filature-train char --help\n$/)
    said = ''
    await expect(program.parseAsync(['cahr'], { from: 'user' })).rejects.toThrow(/unknown command/)
    expect(said).toMatch(/Did you mean char\?[\s\S]*Commands:/)
  })
})
