import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forkTyped } from '@filature/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Budget: 2 minutes, 1 GiB of disk and of memory. How much more than the weights themselves loading ever holds.

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-load-'))
})
afterAll(() => rm(folder, { recursive: true }))

interface Measured {
  readonly before: number
  readonly peak: number
  readonly seconds: number
  readonly held: number
}

async function child(message: object): Promise<Measured> {
  const process = forkTyped(new URL('./__fixtures__/load-and-measure.ts', import.meta.url))
  const answer = once(process, 'message')
  process.send(message)
  const [measured] = await answer
  process.kill()
  return measured as Measured
}

describe('the memory of loading', () => {
  it.each(['F32', 'BF16'] as const)('holds the weights and little more: a GiB of float32 from %s', async (dtype) => {
    const path = join(folder, `${dtype}.safetensors`)
    await child({ path, dtype, phase: 'write' })
    const { before, peak, held, seconds } = await child({ path, dtype, phase: 'load' })
    await rm(path)
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0)
    console.log(
      `${dtype}: ${mib(held)} MiB of weights in ${seconds.toFixed(2)} s, peak ${mib(peak - before)} MiB above what was there`,
    )
    expect(held).toBe(2 ** 30)
    expect(peak - before).toBeLessThan(1.15 * held)
  })
})
