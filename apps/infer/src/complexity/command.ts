import { writeFile } from 'node:fs/promises'
import { activate, type BackendOptions, describeBackend, wholeNumber, withBackend } from '@filature/command-line'
import { Command } from 'commander'
import { listOption } from '../list-option.ts'
import { prepareFile } from '../output-file.ts'
import { drawPlots } from '../plot/line-plot.ts'
import type { Size } from './layers.ts'
import { curvesOver, type Sizes } from './measure.ts'
import { plotsOf, printCrossings, printExponents, printTextbook } from './report.ts'

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
      sizesOption(
        '--lengths',
        'n, positions; the others are measured at the middle one',
        [128, 256, 512, 1024, 2048, 4096],
      ),
    )
    .addOption(sizesOption('--widths', 'd, of each position', [32, 64, 128, 256, 512]))
    .addOption(sizesOption('--windows', 'r, positions on each side', [16, 32, 64, 128]))
    .addOption(sizesOption('--kernels', 'k, positions that a convolution sees', [3, 5, 9, 17]))
    .option('--budget <ms>', 'time for each measurement', wholeNumber(1), 300)
    .option('--out <file>', 'the plot (SVG)', 'complexity.svg')
  return withBackend(command).action(complexity)
}

/** Growth takes two sizes at least. */
const sizesOption = (flag: string, what: string, usual: readonly number[]) =>
  listOption(`${flag} <list>`, what, usual, 2)

async function complexity(options: Options): Promise<void> {
  const { budget, out, lengths, widths, windows, kernels } = options
  await prepareFile('--out', out)
  const backend = await activate(options)
  const sizes: Sizes = { n: lengths, d: widths, r: windows, k: kernels }
  const middle = (values: readonly number[]) => values[Math.floor((values.length - 1) / 2)]!
  const base: Size = { n: middle(lengths), d: middle(widths), r: middle(windows), k: middle(kernels) }
  console.log(`Backend ${describeBackend(backend)}`)
  console.log(`Where one size changes, the others are n ${base.n}, d ${base.d}, r ${base.r}, k ${base.k}.\n`)

  const curve = curvesOver(sizes, budget)
  const growths = await printExponents(curve, base)
  await printCrossings(curve, sizes, base)
  printTextbook()
  await writeFile(out, drawPlots(plotsOf(growths)))
  console.log(`\nDrawn in ${out}.`)
}
