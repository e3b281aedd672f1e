import { element, escaped, picture, round, text } from './svg.ts'

export interface HeatMap {
  readonly title: string
  /** Names of the rows, from above, and of the columns. */
  readonly rows: readonly string[]
  readonly columns: readonly string[]
  /** (rows, columns), 0 to 1: the darker, the greater. */
  readonly values: readonly (readonly number[])[]
}

const CELL = 26
const LETTER = 7.5

/** Weights between two lists of words, as a picture (SVG). */
export function drawHeatMap(map: HeatMap): string {
  const { width, height, parts } = layOut(map)
  return picture(width, height, parts)
}

/** Several of them side by side under one title. */
export function drawHeatMaps(title: string, maps: readonly HeatMap[]): string {
  const parts = [text(12, 20, title, { 'font-weight': 'bold' })]
  let [width, height] = [0, 0]
  for (const map of maps) {
    const one = layOut(map)
    parts.push(
      element('g', { transform: `translate(${round(width)} 24)` }, '\n', ...one.parts.map((part) => `${part}\n`)),
    )
    width += one.width
    height = Math.max(height, one.height)
  }
  return picture(Math.max(width, title.length * LETTER + 24), height + 24, parts)
}

function layOut({ title, rows, columns, values }: HeatMap): { width: number; height: number; parts: string[] } {
  const widest = (names: readonly string[]) => Math.max(4, ...names.map((name) => [...name].length)) * LETTER + 16
  const [left, top] = [widest(rows), widest(columns) + 24]
  const parts = [text(12, 20, title, { 'font-weight': 'bold' })]
  columns.forEach((name, j) => {
    const [x, y] = [left + (j + 0.5) * CELL + 4, top - 6]
    parts.push(text(x, y, name, { transform: `rotate(-90 ${round(x)} ${round(y)})` }))
  })
  rows.forEach((name, i) => {
    parts.push(text(left - 6, top + (i + 0.5) * CELL + 4, name, { 'text-anchor': 'end' }))
    columns.forEach((column, j) => {
      const weight = values[i]?.[j] ?? 0
      const place = { x: round(left + j * CELL), y: round(top + i * CELL), width: CELL, height: CELL }
      const fill = `rgba(20,70,140,${Math.min(1, Math.max(0, weight)).toFixed(3)})`
      const said = `${escaped(name)} / ${escaped(column)}: ${weight.toFixed(3)}`
      parts.push(element('rect', { ...place, fill, stroke: '#ddd' }, element('title', {}, said)))
    })
  })
  const width = Math.max(left + columns.length * CELL + 16, title.length * LETTER + 24)
  return { width, height: top + rows.length * CELL + 16, parts }
}
