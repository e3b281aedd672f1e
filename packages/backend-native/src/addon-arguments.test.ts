import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadAddon } from './addon.ts'

const addon = loadAddon()
const f = (n: number) => new Float32Array(n)
const ints = (...values: number[]) => Int32Array.from(values)

describe('wrong arguments throw, name what is wrong, and change nothing', () => {
  const cases: Record<string, [RegExp, () => void]> = {
    'too short an operand': [
      /gemm: b must be at least 12 long \(it is 11/,
      () => addon.gemm(2, 3, 4, 4, 1, 3, 1, 3, false, 0, f(8), f(11), f(6), null, null),
    ],
    'too short a result': [
      /gemm: c/,
      () => addon.gemm(2, 3, 4, 4, 1, 3, 1, 3, false, 0, f(8), f(12), f(5), null, null),
    ],
    'rows that overlap': [/ldc/, () => addon.gemm(2, 3, 4, 4, 1, 3, 1, 2, false, 0, f(8), f(12), f(6), null, null)],
    'sizes whose product overflows': [
      /gemm: a/,
      () => addon.gemm(2 ** 31, 2 ** 31, 2 ** 31, 2 ** 31, 1, 1, 1, 2 ** 31, false, 0, f(1), f(1), f(1), null, null),
    ],
    'a size that is no number': [/gemm: M must be a number/, () => (addon.gemm as (...a: unknown[]) => void)('2')],
    'a negative size': [/unary: n must be a whole number/, () => addon.unary(0, -1, f(1), f(1))],
    'a fraction': [/unary: n/, () => addon.unary(0, 1.5, f(2), f(2))],
    NaN: [/unary: n/, () => addon.unary(0, Number.NaN, f(2), f(2))],
    'an unknown operator': [/unary: op/, () => addon.unary(99, 1, f(1), f(1))],
    'another type': [/unary: x must be a Float32Array/, () => addon.unary(0, 1, new Float64Array(1) as never, f(1))],
    'no array': [/unary: x must be a typed array/, () => addon.unary(0, 1, [1] as never, f(1))],
    'nothing at all': [/unary: op/, () => (addon.unary as (...a: unknown[]) => void)()],
    'an id above': [
      /gather: ids must be from 0 to 2; entry 1 is 3/,
      () => addon.gather(1, 3, 2, 1, f(3), ints(0, 3), f(2)),
    ],
    'an id below': [/entry 0 is -1/, () => addon.gather(1, 3, 1, 1, f(3), ints(-1), f(2))],
    'a label above': [/crossEntropy: labels/, () => addon.crossEntropy(1, 4, -100, 0, f(4), ints(4), f(1), f(1))],
    'more than there are': [/topK: k/, () => addon.topK(1, 3, 4, f(3), f(4), ints(0, 0, 0, 0))],
    'heads that do not divide': [
      /attention: G/,
      () =>
        addon.attention(
          1,
          1,
          1,
          3,
          2,
          4,
          4,
          0,
          0,
          0,
          0,
          1,
          9,
          9,
          false,
          0,
          0,
          0,
          0,
          0,
          1,
          f(12),
          f(8),
          f(8),
          null,
          f(12),
          null,
        ),
    ],
    'a walk outside': [
      /binary: a/,
      () => addon.binary(0, Float64Array.from([1, 4, ...Array(5).fill(0), 9, ...Array(18).fill(0)]), f(4), f(4), f(4)),
    ],
    'an LSTM without cells': [
      /recurrent: c /,
      () => addon.recurrent(2, false, 1, 1, 1, 1, f(1), f(1), null, f(4), f(4), null, null, f(1), f(1), null, f(5)),
    ],
    'an odd rotation': [/rotary: R/, () => addon.rotary(1, 1, 1, 4, 3, false, false, false, f(4), f(2), f(2), f(4))],
  }
  for (const [name, [message, call]] of Object.entries(cases)) {
    it(name, () => {
      let error: unknown
      try {
        call()
      } catch (caught) {
        error = caught
      }
      expect(error).toBeInstanceOf(RangeError)
      expect((error as { code: string }).code).toBe('NATIVE_ARGUMENT')
      expect((error as Error).message).toMatch(message)
    })
  }

  it('a detached buffer', () => {
    const x = f(8)
    structuredClone(x.buffer, { transfer: [x.buffer] })
    expect(() => addon.unary(0, 8, x, f(8))).toThrow(/detached/)
    const mine = new Float32Array(addon.allocate(32))
    addon.release(mine.buffer as ArrayBuffer)
    expect(mine.length).toBe(0)
    expect(() => addon.unary(0, 8, mine, f(8))).toThrow(/detached/)
    addon.release(mine.buffer as ArrayBuffer) // twice is once
  })
})

it('takes any arguments without a crash', { timeout: 60_000 }, () => {
  // in a process of its own, so that a crash is a failure and not the end of the run
  const script = fileURLToPath(new URL('./__fixtures__/fuzz-arguments.ts', import.meta.url))
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    // what Node itself warns of depends on its version
    ['--no-warnings', '--conditions=@filature/source', '--import', 'tsx', script, '20000', '1'],
    { encoding: 'utf8' },
  )
  expect({ status, signal, stderr: stderr.replace(/^npm.*\n/gm, '') }).toEqual({ status: 0, signal: null, stderr: '' })
  // every function that the type names is there, has run, and has been given what it refuses
  const counts = JSON.parse(stdout) as Record<string, { taken: number; refused: number }>
  const careless = ['release', 'threads', 'cores', 'isa', 'isas', 'bf16', 'bf16Pairs'] // take anything, or nothing
  for (const [name, { taken, refused }] of Object.entries(counts)) {
    expect(taken, name).toBeGreaterThan(20)
    if (!careless.includes(name)) expect(refused, name).toBeGreaterThan(20)
  }
})
