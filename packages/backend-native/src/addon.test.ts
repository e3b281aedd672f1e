import { describe, expect, it } from 'vitest'
import { addonMissing, loadAddon } from './addon.ts'
import { native } from './provider.ts'

const missing = addonMissing()
const required = (process.env.REQUIRE_BACKENDS ?? '').split(',').includes('native')

describe(missing ? `native: ${missing}` : 'native', () => {
  it.skipIf(missing && !required)('has its addon, with at least the baseline of kernels', () => {
    expect(missing).toBeUndefined()
    expect(loadAddon().isas().split(' ')).toContain('baseline')
    expect(loadAddon().cores()).toBeGreaterThan(0)
  })

  it('says in one line whether it can run', async () => {
    const available = await native().available()
    if (missing) expect(available).toMatch(/^no binary for .*install a C\+\+20 compiler[^\n]*$/)
    else expect(available).toBe(true)
  })

  it('refuses numbers of threads that make no sense', () => {
    for (const threads of [0, -1, 1.5, Number.NaN, 5000])
      expect(() => native({ threads })).toThrow(/threads from 1 to 1024/)
  })

  it.skipIf(missing)('refuses an instruction set that is not there', async () => {
    await expect(native({ instructionSet: 'sse9' }).activate()).rejects.toThrow(/wanted the instruction set 'sse9'/)
  })
})
