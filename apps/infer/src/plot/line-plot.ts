import { element, picture, round, text } from './svg.ts'

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface LinePlot {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly lines: readonly Line[]
  readonly logX?: boolean
  readonly logY?: boolean
}

const COLOURS = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#8c564b', '#17becf', '#7f7f7f']
const [WIDTH, HEIGHT] = [420, 280]
const [LEFT, TOP, RIGHT, BOTTOM] = [76, 34, 150, 48]

/** Several plots side by side, as one picture (SVG). Points at 0 or below are left out where the axis is logarithmic. */
export function drawPlots(plots: readonly LinePlot[]): string {
  const wide = LEFT + WIDTH + RIGHT
  const parts = plots.map((plot, i) => element('g', { transform: `translate(${i * wide} 0)` }, ...drawPlot(plot)))
  return picture(plots.length * wide, TOP + HEIGHT + BOTTOM, parts)
}

function drawPlot({ title, x, y, lines, logX = false, logY = false }: LinePlot): string[] {
  const shown = lines.map(({ name, points }) => ({
    name,
    points: points.filter((p) => p.every(Number.isFinite) && (!logX || p[0] > 0) && (!logY || p[1] > 0)),
  }))
  const all = shown.flatMap(({ points }) => points)
  const across = axis(
    all.map((p) => p[0]),
    logX,
  )
  const upward = axis(
    all.map((p) => p[1]),
    logY,
  )
  const px = (value: number) => round(LEFT + across.at(value) * WIDTH)
  const py = (value: number) => round(TOP + (1 - upward.at(value)) * HEIGHT)
  const parts = [
    text(LEFT, 20, title, { 'font-weight': 'bold' }),
    element('rect', { x: LEFT, y: TOP, width: WIDTH, height: HEIGHT, fill: 'none', stroke: '#999' }),
    text(LEFT + WIDTH / 2, TOP + HEIGHT + 38, x, { 'text-anchor': 'middle' }),
    text(16, TOP + HEIGHT / 2, y, { 'text-anchor': 'middle', transform: `rotate(-90 16 ${TOP + HEIGHT / 2})` }),
  ]
  for (const tick of across.ticks) {
    parts.push(element('line', { x1: px(tick), x2: px(tick), y1: TOP, y2: TOP + HEIGHT, stroke: '#eee' }))
    parts.push(text(px(tick), TOP + HEIGHT + 18, short(tick), { 'text-anchor': 'middle', 'font-size': 11 }))
  }
  for (const tick of upward.ticks) {
    parts.push(element('line', { x1: LEFT, x2: LEFT + WIDTH, y1: py(tick), y2: py(tick), stroke: '#eee' }))
    parts.push(text(LEFT - 6, py(tick) + 4, short(tick), { 'text-anchor': 'end', 'font-size': 11 }))
  }
  shown.forEach(({ name, points }, i) => {
    const stroke = COLOURS[i % COLOURS.length]!
    const path = points.map(([a, b]) => `${px(a)},${py(b)}`).join(' ')
    parts.push(element('polyline', { points: path, fill: 'none', stroke, 'stroke-width': 2 }))
    for (const [a, b] of points) parts.push(element('circle', { cx: px(a), cy: py(b), r: 3, fill: stroke }))
    const line = { x1: LEFT + WIDTH + 10, x2: LEFT + WIDTH + 28, y1: TOP + 12 + 20 * i, y2: TOP + 12 + 20 * i }
    parts.push(
      element('line', { ...line, stroke, 'stroke-width': 2 }),
      text(LEFT + WIDTH + 34, TOP + 16 + 20 * i, name),
    )
  })
  return parts
}

interface Axis {
  /** 0 to 1 */
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
}

function axis(values: readonly number[], logarithmic: boolean): Axis {
  if (values.length === 0) return { at: () => 0, ticks: [] }
  const scale = logarithmic ? Math.log10 : (v: number) => v
  let [low, high] = [Math.min(...values.map(scale)), Math.max(...values.map(scale))]
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5]
  const at = (value: number) => (scale(value) - low) / (high - low)
  const step = niceStep((high - low) / 5, logarithmic)
  const ticks: number[] = []
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k++)
    ticks.push(logarithmic ? 10 ** (k * step) : k * step)
  return { at, ticks }
}

/** 1, 2 or 5 times a power of ten; whole decades, or parts of one, of a logarithm. */
function niceStep(rough: number, logarithmic: boolean): number {
  if (logarithmic) return rough > 1 ? Math.ceil(rough) : rough > 0.4 ? 1 : Math.log10(2)
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10)
}

function short(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  return size >= 1e5 || size < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(3)))
}
