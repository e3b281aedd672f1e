// 10,000 training steps on each backend that is at hand: memory stays flat. Budget: 5 minutes on two busy cores.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { nodeArguments } from '@filature/testing'
import { expect, it } from 'vitest'

const script = fileURLToPath(new URL('../../bench/memory.ts', import.meta.url))

interface Mark {
  backend: string
  step: number
  tensors: number
  bytes: number
  rss: number
}

const MiB = 2 ** 20
const STEPS = 10_000

it.each(['native', 'wasm'])(
  `${STEPS} steps on %s leave live bytes and resident memory flat`,
  async (backend) => {
    const args = ['--expose-gc', ...nodeArguments(), script, backend, String(STEPS)]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const marks = stdout
      .trim()
      .split('\n')
      .map((line): Mark => JSON.parse(line))
    expect(marks.at(-1)!.step).toBe(STEPS)
    const settled = marks.slice(2)
    expect(new Set(settled.map(({ bytes }) => bytes)).size, stdout).toBe(1)
    expect(new Set(settled.map(({ tensors }) => tensors)).size, stdout).toBe(1)
    const part = Math.floor(settled.length / 3)
    const most = (some: Mark[]) => Math.max(...some.map(({ rss }) => rss)) / MiB
    const [early, late] = [most(settled.slice(0, part)), most(settled.slice(-part))]
    console.info(
      `${backend}: live ${settled[0]!.bytes} bytes in ${settled[0]!.tensors} tensors; resident ${early.toFixed(1)} MiB early, ${late.toFixed(1)} MiB late`,
    )
    expect(late - early).toBeLessThan(8)
  },
  300_000,
)
