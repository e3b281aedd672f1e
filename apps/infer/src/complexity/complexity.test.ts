import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpu, dispose, tidy, useBackend } from '@filature/tensor'
import { expect, it, vi } from 'vitest'
import { program } from '../program.ts'
import { layers, type Size } from './layers.ts'
import { costOf, crossingOf, exponentOf } from './measure.ts'

const size: Size = { n: 24, d: 8, r: 3, k: 5 }

it('fits the exponent of a power law to the larger sizes, and finds where curves cross', () => {
  const xs = [4, 8, 16, 32]
  expect(exponentOf(xs.map((x) => [x, 3 * x ** 1.5]))).toBeCloseTo(1.5, 10)
  expect(exponentOf(xs.map((x) => [x, Math.max(100, x * x)]).slice(1) as [number, number][])).toBeGreaterThan(1)
  expect(
    crossingOf(
      xs,
      xs.map((x) => x ** 2),
      xs.map((x) => 12 * x),
    ),
  ).toBeCloseTo(12, 6)
  expect(crossingOf(xs, xs, [5, 9, 17, 33])).toBeUndefined()
})

it.each(layers.map((layer) => [layer.name, layer] as const))('%s: takes n vectors to as many', async (_, layer) => {
  await useBackend(cpu())
  const { inputs, run } = layer.prepare(size)
  const y = tidy(run)
  expect(y.size).toBe(size.n * size.d)
  expect((await y.data()).every(Number.isFinite)).toBe(true)
  dispose([y, ...inputs])
})

it('memory of held scores grows with n^2, that of a window with n', async () => {
  await useBackend(cpu())
  const bytes = async (name: string, n: number) =>
    (await costOf(layers.find((layer) => layer.name === name)!, { ...size, n }, 1)).bytes
  const growth = async (name: string) => (await bytes(name, 256)) / (await bytes(name, 64))
  expect(await growth('self-attention, scores held')).toBeGreaterThan(12)
  expect(await growth('windowed attention')).toBeLessThan(6)
})

it('prints exponents, the crossing and the textbook, and draws', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filature-complexity-'))
  const lines: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(String(line)))
  try {
    const out = join(folder, 'plot.svg')
    const small = ['--lengths', '8,16', '--widths', '4,8', '--windows', '2,4', '--kernels', '3,5', '--budget', '1']
    await program().parseAsync(['node', 'infer', 'complexity', ...small, '--backend', 'cpu', '--out', out])
    const printed = lines.join('\n')
    expect(printed).toMatch(/windowed attention +-?\d+\.\d\d \(\d\.\d\d\)/)
    expect(printed).toMatch(/d +8: /)
    expect(printed).toMatch(/convolution, dilated by k +k n d\^2 +1 +log_k n/)
    const svg = await readFile(out, 'utf8')
    expect(svg).toContain('Time over n')
    expect(svg.match(/<polyline/g)!.length).toBe(7 + 7 + 7 + 1 + 3)
  } finally {
    log.mockRestore()
    await rm(folder, { recursive: true })
  }
})
