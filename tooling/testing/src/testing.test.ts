import { dispose, keep, tensor } from '@filature/tensor'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { activateBackend, backendsToTest, isRequired } from './backends.ts'
import { expectClose, worstRatio } from './expect-close.ts'
import { inFloat64 } from './float64.ts'
import { expectNoLeak } from './no-leak.ts'
import { randomIds, randomNumbers, randomTensor } from './random.ts'

beforeAll(async () => {
  expect(await activateBackend('cpu')).toEqual({ ok: true })
})

describe('expectClose', () => {
  it('takes tensors, nested arrays, typed arrays and numbers', async () => {
    await expectClose(
      tensor([
        [1, 2],
        [3, 4],
      ]),
      [
        [1, 2],
        [3, 4],
      ],
    )
    await expectClose(tensor([[1, 2]]), Float32Array.of(1, 2))
    await expectClose(tensor(3), 3)
    await expectClose([Number.NaN, Infinity], [Number.NaN, Infinity])
  })

  it.each<[string, Parameters<typeof expectClose>]>([
    ['another shape', [tensor([1, 2]), [[1, 2]]]],
    ['another length', [Float32Array.of(1, 2), Float32Array.of(1)]],
    [
      'a number too far off',
      [
        [1, 2],
        [1, 2.001],
      ],
    ],
    [
      'NaN for a number',
      [
        [1, Number.NaN],
        [1, 2],
      ],
    ],
    [
      'infinity for a number',
      [
        [1, Infinity],
        [1, 2],
      ],
    ],
    ['the other infinity', [[-Infinity], [Infinity]]],
  ])('refuses %s', async (_, args) => {
    await expect(expectClose(...args)).rejects.toThrow(/expectClose/)
  })

  it('measures against the largest number and says where', async () => {
    await expectClose([1000, 1.005], [1000, 1])
    await expect(expectClose([1000, 1.02], [1000, 1])).rejects.toThrow('1.02 instead of 1 at element 1 of [2]')
  })
})

describe('expectNoLeak', () => {
  it('passes what frees its tensors, also by its result, and after a warm-up', async () => {
    let cache: unknown
    await expectNoLeak(() => {
      cache ??= keep(tensor([1, 2, 3]))
      return tensor([1])
    })
    dispose(cache as never)
  })

  it('refuses what leaves one behind', async () => {
    const left: { dispose(): void }[] = []
    await expect(expectNoLeak(() => void left.push(tensor([1, 2])))).rejects.toThrow('3 tensors and 24 bytes')
    for (const x of left) x.dispose()
  })
})

describe('random numbers', () => {
  it('depend on their name alone and are float32 exactly', () => {
    const a = randomNumbers('a', 8)
    expect(randomNumbers('a', 8)).toEqual(a)
    expect(randomNumbers('b', 8)).not.toEqual(a)
    expect(Float64Array.from(Float32Array.from(a))).toEqual(a)
    expect(randomTensor('a', [2, 4]).dataSync()).toEqual(Float32Array.from(a))
  })

  it('give ids below their bound, every one of them', () => {
    const ids = new Set(randomIds('ids', [200], 5).dataSync())
    expect([...ids].sort()).toEqual([0, 1, 2, 3, 4])
  })
})

describe('backends', () => {
  it('are chosen and required by the environment', () => {
    vi.stubEnv('BACKENDS', 'wasm,cpu')
    vi.stubEnv('REQUIRE_BACKENDS', 'wasm')
    expect(backendsToTest()).toEqual(['cpu', 'wasm'])
    expect([isRequired('wasm'), isRequired('cpu')]).toEqual([true, false])
    vi.unstubAllEnvs()
  })

  it('say why they are not at hand', async () => {
    expect(await activateBackend('float64')).toEqual({ ok: false, reason: expect.stringContaining('holds floats') })
    expect(await activateBackend('abacus' as never)).toMatchObject({ ok: false })
  })
})

describe('worstRatio', () => {
  it('holds each element against itself', () => {
    expect(worstRatio([100, 0.00002], [100, 0], { atol: 1e-5, rtol: 1e-5 })).toBeCloseTo(2)
    expect(worstRatio([100.001], [100], { atol: 0, rtol: 1e-5 })).toBeCloseTo(1)
    expect(worstRatio([1, Number.NaN, 1], [1, 1, 1])).toBeNaN()
    expect(worstRatio([1], [1, 1])).toBe(Infinity)
  })
})

describe('inFloat64', () => {
  const here = new URL('./random.ts', import.meta.url)

  it('hands over arguments and what the function returned', async () => {
    expect(await inFloat64(here, 'randomNumbers', 'a', 3)).toEqual(randomNumbers('a', 3))
  })

  it('hands over what went wrong', async () => {
    await expect(inFloat64(here, 'nothing')).rejects.toThrow(/exports no function 'nothing'/)
    await expect(inFloat64(new URL('./absent.ts', import.meta.url), 'f')).rejects.toThrow(/absent/)
  })
})
