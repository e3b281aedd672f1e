import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dispose, tidy } from '@filature/tensor'
import { expect, it } from 'vitest'
import { scratch } from '../__tests__/scratch.ts'
import { layers, type Size } from './layers.ts'
import { costOf, crossingOf, exponentOf } from './measure.ts'

const test = scratch()
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
  const { inputs, run } = layer.prepare(size)
  const y = tidy(run)
  expect(y.size).toBe(size.n * size.d)
  expect((await y.data()).every(Number.isFinite)).toBe(true)
  dispose([y, ...inputs])
})

it('memory of held scores grows with n^2, that of a window with n', async () => {
  const bytes = async (name: string, n: number) =>
    (await costOf(layers.find((layer) => layer.name === name)!, { ...size, n }, 1)).bytes
  const growth = async (name: string) => (await bytes(name, 256)) / (await bytes(name, 64))
  expect(await growth('self-attention, scores held')).toBeGreaterThan(12)
  expect(await growth('windowed attention')).toBeLessThan(6)
})

it('prints exponents, the crossing and the textbook, and draws', async () => {
  const out = join(test.folder, 'plots', 'plot.svg')
  const small = ['--lengths', '8,16', '--widths', '4,8', '--windows', '2,4', '--kernels', '3,5', '--budget', '1']
  const printed = await test.run('complexity', ...small, '--out', out)
  expect(printed).toMatch(/windowed attention +-?\d+\.\d\d \(\d\.\d\d\)/)
  expect(printed).toMatch(/d +8: /)
  expect(printed).toMatch(/convolution, dilated by k +k n d\^2 +1 +log_k n/)
  const svg = await readFile(out, 'utf8')
  expect(svg).toContain('Time over n')
  expect(svg.match(/<polyline/g)!.length).toBe(7 + 7 + 7 + 1 + 3)
})
