import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { addonMissing, loadAddon } from './addon.ts'
import { native } from './provider.ts'

const whatToInstall = /^no binary for [^\n]*install a C\+\+20 compiler[^\n]*$/
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
    if (missing) expect(available).toMatch(whatToInstall)
    else expect(available).toBe(true)
  })

  it('says in one line what to install where there is no binary', { timeout: 60_000 }, () => {
    const nowhere = mkdtempSync(join(tmpdir(), 'filature-no-addon-'))
    const provider = new URL('./provider.ts', import.meta.url).href
    const code = `import { native } from '${provider}'; process.stdout.write(String(await native().available()))`
    const flags = ['--conditions=@filature/source', '--import', 'tsx', '--input-type=module', '-e', code]
    const { stdout, status } = spawnSync(process.execPath, flags, {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      encoding: 'utf8',
      env: { ...process.env, '@FILATURE/BACKEND_NATIVE_PREBUILD': nowhere }, // where node-gyp-build looks instead
    })
    rmSync(nowhere, { recursive: true })
    expect({ stdout, status }).toEqual({ stdout: expect.stringMatching(whatToInstall), status: 0 })
  })

  it('refuses numbers of threads that make no sense', () => {
    for (const threads of [0, -1, 1.5, Number.NaN, 5000])
      expect(() => native({ threads })).toThrow(/threads from 1 to 1024/)
  })

  it.skipIf(missing)('refuses an instruction set that is not there', async () => {
    await expect(native({ instructionSet: 'sse9' }).activate()).rejects.toThrow(/wanted the instruction set 'sse9'/)
  })
})
