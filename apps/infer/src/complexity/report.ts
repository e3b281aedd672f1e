import type { LinePlot } from '../plot/line-plot.ts'
import { layers, type MeasuredLayer, type Size } from './layers.ts'
import { type Cost, type Curve, crossingOf, exponentOf, type Sizes } from './measure.ts'

const axes = ['n', 'd', 'r', 'k'] as const

/** How a layer's costs grow with one of its sizes. */
export interface Growth {
  readonly layer: MeasuredLayer
  readonly axis: keyof Size
  readonly costs: Awaited<ReturnType<Curve>>
}

const points = ({ costs }: Growth, what: keyof Cost) => costs.map(([x, cost]) => [x, cost[what]] as const)

/** A row of exponents for each layer, as it is measured. */
export async function printExponents(curve: Curve, base: Size): Promise<Growth[]> {
  const cells = (texts: readonly string[]) => texts.map((text) => text.padStart(14)).join('')
  console.log('exponents, time (memory)'.padEnd(30) + cells(axes.map((axis) => `by ${axis}`)))
  const growths: Growth[] = []
  for (const layer of layers) {
    const row: string[] = []
    for (const axis of axes) {
      if (!layer.axes.includes(axis)) {
        row.push('')
        continue
      }
      const growth = { layer, axis, costs: await curve(layer, axis, base) }
      const [time, memory] = (['ms', 'bytes'] as const).map((what) => exponentOf(points(growth, what)).toFixed(2))
      row.push(`${time} (${memory})`)
      growths.push(growth)
    }
    console.log(layer.name.padEnd(30) + cells(row))
  }
  return growths
}

/** For each width, the length from which attention takes longer than recurrence. */
export async function printCrossings(curve: Curve, { n: lengths, d: widths }: Sizes, base: Size): Promise<void> {
  const [attention, recurrent] = ['self-attention, scores held', 'recurrent'].map(
    (name) => layers.find((layer) => layer.name === name)!,
  )
  console.log(
    '\nFrom which length on self-attention (scores held) takes longer than recurrence; the textbook says n = d:',
  )
  for (const d of widths) {
    const times = async (layer: MeasuredLayer) => (await curve(layer, 'n', { ...base, d })).map(([, { ms }]) => ms)
    const n = crossingOf(lengths, await times(attention!), await times(recurrent!))
    const within = `not within ${lengths[0]} to ${lengths.at(-1)}`
    console.log(
      `  d ${String(d).padStart(5)}: ${n === undefined ? within : `n ${Math.round(n)}, n / d ${(n / d).toFixed(1)}`}`,
    )
  }
}

export function printTextbook(): void {
  const line = (name: string, operations: string, sequential: string, path: string) =>
    console.log(name.padEnd(30) + operations.padStart(16) + sequential.padStart(12) + path.padStart(14))
  console.log()
  line('textbook', 'operations', 'sequential', 'longest path')
  for (const { name, textbook } of layers) line(name, textbook.operations, textbook.sequential, textbook.path)
}

/** Time over each size, and memory over length, on logarithmic axes. */
export function plotsOf(growths: readonly Growth[]): LinePlot[] {
  const wanted = [
    ['n', 'ms'],
    ['n', 'bytes'],
    ['d', 'ms'],
    ['r', 'ms'],
    ['k', 'ms'],
  ] as const
  return wanted.map(([axis, what]) => ({
    title: `${what === 'ms' ? 'Time' : 'Memory'} over ${axis}`,
    x: axis,
    y: what === 'ms' ? 'milliseconds' : 'bytes',
    lines: growths
      .filter((growth) => growth.axis === axis)
      .map((growth) => ({ name: growth.layer.name.replace('convolution', 'conv'), points: points(growth, what) })),
    logX: true,
    logY: true,
  }))
}
