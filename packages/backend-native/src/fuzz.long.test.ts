import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

// Budget: three minutes. A million random calls in processes of their own.
it.each([11, 12, 13, 14, 15])('any arguments, seed %i (fuzz)', { timeout: 300_000 }, (seed) => {
  const script = fileURLToPath(new URL('./__fixtures__/fuzz-arguments.ts', import.meta.url))
  const { status, signal } = spawnSync(
    process.execPath,
    ['--conditions=@filature/source', '--import', 'tsx', script, '200000', String(seed)],
    { encoding: 'utf8' },
  )
  expect({ status, signal }).toEqual({ status: 0, signal: null })
})
