import { writeFile } from 'node:fs/promises'
import { activate, type BackendOptions, describeBackend, wholeNumber, withBackend } from '@filature/command-line'
import { Command } from 'commander'
import { listOption } from '../list-option.ts'
import { prepareFile } from '../output-file.ts'
import { drawPlots } from '../plot/line-plot.ts'
import { gradientByDistance, type RecallOptions, recallAt } from './measure.ts'
import { type ReaderKind, readerKinds } from './reader.ts'
import { SYMBOLS } from './task.ts'

interface Options extends BackendOptions, RecallOptions {
  distances: readonly number[]
  out: string
}

/** `filature-infer recall` */
export function recallCommand(): Command {
  const command = new Command('recall')
    .description('Why attention came: what is left of a gradient, and of what was read, over distance.')
    .addOption(
      listOption('--distances <list>', 'steps between what is to be recalled and the question', [2, 5, 10, 20, 40, 80]),
    )
    .option('--width <n>', 'of embeddings and states', wholeNumber(1), 32)
    .option('--steps <n>', 'training steps of each model at each distance', wholeNumber(1), 300)
    .option('--batch <n>', 'sequences of a step', wholeNumber(1), 32)
    .option('--seed <n>', 'of weights and sequences', wholeNumber(0), 1)
    .option('--out <file>', 'the plot (SVG)', 'recall.svg')
  return withBackend(command).action(recall)
}

async function recall(options: Options): Promise<void> {
  const { distances: far, steps, out } = options
  await prepareFile('--out', out)
  const backend = await activate(options)
  console.log(`Backend ${describeBackend(backend)}`)
  const gradients = await byKind((kind) => gradientByDistance(kind, far.at(-1)!, options))
  console.log('\nNorm of the gradient at the input, untrained; at the question: 1')
  printTable(far, (kind, i) => gradients.get(kind)![far[i]!]!.toExponential(1))

  console.log(`\nRecalled after ${steps} steps of training, of 100 (by chance: ${(100 / SYMBOLS).toFixed(0)})`)
  const accuracy = await byKind(async (kind) => {
    const parts: number[] = []
    for (const distance of far) parts.push(await recallAt(kind, distance, options))
    return parts
  })
  printTable(far, (kind, i) => (100 * accuracy.get(kind)![i]!).toFixed(0))

  const gradientLines = readerKinds.map((name) => ({
    name,
    points: gradients.get(name)!.map((norm, distance) => [distance, norm] as const),
  }))
  const recallLines = readerKinds.map((name) => ({
    name,
    points: far.map((distance, i) => [distance, 100 * accuracy.get(name)![i]!] as const),
  }))
  const x = 'distance (steps)'
  await writeFile(
    out,
    drawPlots([
      { title: 'Gradient at the input', x, y: 'norm, relative', lines: gradientLines, logY: true },
      { title: `Recall after ${steps} steps`, x, y: '% right', lines: recallLines, logX: true },
    ]),
  )
  console.log(`\nDrawn in ${out}.`)
}

async function byKind<T>(make: (kind: ReaderKind) => Promise<T>): Promise<Map<ReaderKind, T>> {
  const made = new Map<ReaderKind, T>()
  for (const kind of readerKinds) made.set(kind, await make(kind))
  return made
}

function printTable(far: readonly number[], cell: (kind: ReaderKind, i: number) => string): void {
  console.log('distance '.padEnd(12) + far.map((distance) => String(distance).padStart(9)).join(''))
  for (const kind of readerKinds) console.log(kind.padEnd(12) + far.map((_, i) => cell(kind, i).padStart(9)).join(''))
}
