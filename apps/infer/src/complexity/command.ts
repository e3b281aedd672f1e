import { writeFile } from 'node:fs/promises'
import { activate, type BackendOptions, describeBackend, wholeNumber, withBackend } from '@filature/command-line'
import { Command } from 'commander'
import { listOption } from '../list-option.ts'
import { prepareFile } from '../output-file.ts'
import { drawPlots, type LinePlot } from '../plot/line-plot.ts'
import { layers, type MeasuredLayer, type Size } from './layers.ts'
import { type Cost, costOf, crossingOf, exponentOf } from './measure.ts'

interface Options extends BackendOptions {
  lengths: readonly number[]
  widths: readonly number[]
  windows: readonly number[]
  kernels: readonly number[]
  budget: number
  out: string
}

/** `filature-infer complexity` */
export function complexityCommand(): Command {
  const command = new Command('complexity')
    .description('Measure how attention, windows, recurrence and convolution grow, beside the textbook table.')
    .addOption(
      sizes('--lengths', 'n, positions; the others are measured at the middle one', [128, 256, 512, 1024, 2048, 4096]),
    )
    .addOption(sizes('--widths', 'd, of each position', [32, 64, 128, 256, 512]))
    .addOption(sizes('--windows', 'r, positions on each side', [16, 32, 64, 128]))
    .addOption(sizes('--kernels', 'k, positions that a convolution sees', [3, 5, 9, 17]))
    .option('--budget <ms>', 'time for each measurement', wholeNumber(1), 300)
    .option('--out <file>', 'the plot (SVG)', 'complexity.svg')
  return withBackend(command).action(complexity)
}

/** Growth takes two sizes at least. */
const sizes = (flag: string, what: string, usual: readonly number[]) => listOption(`${flag} <list>`, what, usual, 2)

const axes = { n: 'lengths', d: 'widths', r: 'windows', k: 'kernels' } as const
type Axis = keyof typeof axes

async function complexity(options: Options): Promise<void> {
  const { budget, out } = options
  await prepareFile('--out', out)
  const backend = await activate(options)
  const middle = (values: readonly number[]) => values[Math.floor((values.length - 1) / 2)]!
  const base: Size = {
    n: middle(options.lengths),
    d: middle(options.widths),
    r: middle(options.windows),
    k: middle(options.kernels),
  }
  console.log(`Backend ${describeBackend(backend)}`)
  console.log(`Where one size changes, the others are n ${base.n}, d ${base.d}, r ${base.r}, k ${base.k}.\n`)

  const memo = new Map<string, Cost>()
  const measured = async (layer: MeasuredLayer, size: Size): Promise<Cost> => {
    const key = [layer.name, ...layer.axes.map((axis) => size[axis])].join()
    const cost = memo.get(key) ?? (await costOf(layer, size, budget))
    memo.set(key, cost)
    return cost
  }
  const curve = async (layer: MeasuredLayer, axis: Axis, fixed: Size) => {
    const costs: [number, Cost][] = []
    for (const value of options[axes[axis]]) costs.push([value, await measured(layer, { ...fixed, [axis]: value })])
    return costs
  }

  console.log(
    `${'exponents, time (memory)'.padEnd(30)}${Object.keys(axes)
      .map((axis) => `by ${axis}`.padStart(14))
      .join('')}`,
  )
  const plots = new Map<string, LinePlot>()
  for (const [axis, what] of [
    ['n', 'ms'],
    ['n', 'bytes'],
    ['d', 'ms'],
    ['r', 'ms'],
    ['k', 'ms'],
  ] as const) {
    const y = what === 'ms' ? 'milliseconds' : 'bytes'
    const title = what === 'ms' ? `Time over ${axis}` : `Memory over ${axis}`
    plots.set(axis + what, { title, x: axis, y, lines: [], logX: true, logY: true })
  }
  for (const layer of layers) {
    const cells: string[] = []
    for (const axis of Object.keys(axes) as Axis[]) {
      if (!layer.axes.includes(axis)) {
        cells.push(''.padStart(14))
        continue
      }
      const costs = await curve(layer, axis, base)
      const points = (what: keyof Cost) => costs.map(([x, cost]) => [x, cost[what]] as const)
      cells.push(`${exponentOf(points('ms')).toFixed(2)} (${exponentOf(points('bytes')).toFixed(2)})`.padStart(14))
      for (const what of ['ms', 'bytes'] as const) {
        const plot = plots.get(axis + what)
        if (plot)
          plots.set(axis + what, {
            ...plot,
            lines: [...plot.lines, { name: layer.name.replace('convolution', 'conv'), points: points(what) }],
          })
      }
    }
    console.log(layer.name.padEnd(30) + cells.join(''))
  }

  const [attention, recurrent] = ['self-attention, scores held', 'recurrent'].map(
    (name) => layers.find((layer) => layer.name === name)!,
  )
  console.log(
    '\nFrom which length on self-attention (scores held) takes longer than recurrence; the textbook says n = d:',
  )
  for (const d of options.widths) {
    const times = async (layer: MeasuredLayer) => (await curve(layer, 'n', { ...base, d })).map(([, { ms }]) => ms)
    const n = crossingOf(options.lengths, await times(attention!), await times(recurrent!))
    console.log(
      `  d ${String(d).padStart(5)}: ${n === undefined ? `not within ${options.lengths[0]} to ${options.lengths.at(-1)}` : `n ${Math.round(n)}, n / d ${(n / d).toFixed(1)}`}`,
    )
  }

  console.log(
    `\n${'textbook'.padEnd(30)}${'operations'.padStart(16)}${'sequential'.padStart(12)}${'longest path'.padStart(14)}`,
  )
  for (const {
    name,
    textbook: { operations, sequential, path },
  } of layers) {
    console.log(`${name.padEnd(30)}${operations.padStart(16)}${sequential.padStart(12)}${path.padStart(14)}`)
  }
  await writeFile(out, drawPlots([...plots.values()]))
  console.log(`\nDrawn in ${out}.`)
}
