import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { activate } from '@filature/command-line'
import { Rng } from '@filature/tensor'
import { expectNoLeak } from '@filature/testing'
import { beforeAll, expect, it, vi } from 'vitest'
import { program } from '../program.ts'
import { gradientByDistance, recallAt } from './measure.ts'
import { recallBatch, SYMBOLS, VOCABULARY } from './task.ts'

const options = { width: 16, steps: 60, batch: 16, seed: 1 }

beforeAll(async () => {
  await activate({ backend: 'native,wasm,cpu', threads: 1 })
})

it('puts the marked symbol at the distance, noise and the question behind it', () => {
  const { ids, labels } = recallBatch(new Rng(1), 4, 6)
  expect(ids.shape).toEqual([4, 7])
  for (const [b, row] of (ids.arraySync() as number[][]).entries()) {
    expect(row[0]).toBe(SYMBOLS + labels[b]!)
    expect(row.slice(1, -1).every((id) => id < SYMBOLS)).toBe(true)
    expect(row.at(-1)).toBe(VOCABULARY - 1)
  }
  ids.dispose()
})

it('recurrence loses the gradient with distance, attention does not; it learns what the RNN cannot', async () => {
  const rnn = await gradientByDistance('RNN', 20, options)
  const attention = await gradientByDistance('attention', 20, options)
  expect(rnn[0]).toBeCloseTo(1, 6)
  expect(rnn).toHaveLength(21)
  expect(rnn[20]!).toBeLessThan(1e-3 * rnn[2]!)
  expect(attention[20]!).toBeGreaterThan(0.1 * attention[2]!)
  const longer = { width: 32, steps: 120, batch: 32, seed: 1 }
  const learnt = await recallAt('attention', 12, longer)
  const forgotten = await recallAt('RNN', 12, longer)
  expect(learnt).toBeGreaterThan(0.9)
  expect(forgotten).toBeLessThan(0.5)
  expect(await recallAt('RNN', 1, { ...longer, steps: 60 })).toBeGreaterThan(0.9)
}, 240_000)

it('leaks nothing', async () => {
  await expectNoLeak(async () => {
    await gradientByDistance('GRU', 4, options)
    await recallAt('LSTM', 2, { ...options, steps: 2 })
  })
})

it('prints both tables and draws both plots', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filature-recall-'))
  const lines: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(String(line)))
  try {
    const out = join(folder, 'recall.svg')
    const small = ['--distances', '1,3', '--steps', '2', '--width', '4', '--batch', '4', '--backend', 'cpu']
    await program().parseAsync(['node', 'infer', 'recall', ...small, '--out', out])
    expect(lines.filter((line) => line.startsWith('attention '))).toHaveLength(2)
    const svg = await readFile(out, 'utf8')
    expect(svg.match(/<polyline/g)).toHaveLength(8)
    expect(svg).toContain('Recall after 2 steps')
    const wrong = (list: string) => {
      const root = program()
      for (const command of root.commands) command.exitOverride().configureOutput({ writeErr: () => {} })
      return root.parseAsync(['recall', '--distances', list], { from: 'user' })
    }
    for (const list of ['', '1,,2', '0', '2,x', '1.5']) await expect(wrong(list)).rejects.toThrow(/at least 1/)
    expect(
      program()
        .commands.find((command) => command.name() === 'recall')!
        .helpInformation(),
    ).toContain('(default: 2,5,10,20,40,80)')
  } finally {
    log.mockRestore()
    await rm(folder, { recursive: true })
  }
})
