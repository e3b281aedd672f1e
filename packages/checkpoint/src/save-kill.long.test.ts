import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forkTyped } from '@filature/testing'
import { expect, it } from 'vitest'
import { openCheckpoint } from './index.ts'

// Budget: 3 minutes. SIGKILL at 50 random moments of saving, half of them with shards.

it('a killed save leaves a whole checkpoint, the one before or the one after', async () => {
  let seed = 12345
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }
  const seen = new Set<number>()
  for (const maxShardBytes of [Number.MAX_SAFE_INTEGER, 600_000]) {
    const folder = await mkdtemp(join(tmpdir(), 'filature-kill-'))
    for (let kill = 0; kill < 25; kill++) {
      const child = forkTyped(new URL('./__fixtures__/save-forever.ts', import.meta.url))
      child.send({ target: folder, maxShardBytes })
      await once(child, 'message')
      await new Promise((resolve) => setTimeout(resolve, random() * 300))
      child.kill('SIGKILL')
      await once(child, 'exit')
      await using checkpoint = await openCheckpoint(folder)
      expect(checkpoint.names()).toHaveLength(16)
      const rounds = new Set<number>()
      for (const name of checkpoint.names()) for (const value of await checkpoint.read(name)) rounds.add(Number(value))
      expect([...rounds]).toHaveLength(1)
      seen.add([...rounds][0]!)
    }
    // What a killed writer leaves is removed by later ones; at most the last few of two minutes lie there.
    const whole = (await readdir(folder)).filter((name) => !name.endsWith('.tmp'))
    expect(whole.length).toBeGreaterThan(0)
    await rm(folder, { recursive: true })
  }
  expect(seen.size).toBeGreaterThan(3) // the kills did come at different rounds
}, 600_000)
