/** Counts (true class, predicted class). */
export type Confusion = readonly (readonly number[])[]

export function confusionOf(labels: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): Confusion {
  const counts = Array.from({ length: classes }, () => Array<number>(classes).fill(0))
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]![predicted[i]!]!++
  return counts
}

/** Rows are the true classes, columns what the model said, in the same order. */
export function printConfusion(counts: Confusion, names: readonly string[]): string {
  const wide = Math.max(...names.map((name) => name.length))
  const cells = Math.max(5, ...counts.flat().map((n) => String(n).length + 1))
  const head = `${' '.repeat(wide)} ${names.map((name) => name.slice(0, cells - 1).padStart(cells)).join('')}  right`
  const lines = counts.map((row, i) => {
    const total = row.reduce((a, b) => a + b, 0)
    const share = total === 0 ? '-' : `${((100 * row[i]!) / total).toFixed(1)} %`
    return `${names[i]!.padEnd(wide)} ${row.map((n) => (n === 0 ? '.' : `${n}`).padStart(cells)).join('')}  ${share.padStart(7)}`
  })
  return [head, ...lines].join('\n')
}

const CELL = 48
const LEFT = 110
const TOP = 110

/** The same as a picture (SVG): the darker a cell, the greater its share of the true class. */
export function drawConfusion(counts: Confusion, names: readonly string[], title: string): string {
  const side = CELL * names.length
  const parts: string[] = []
  counts.forEach((row, i) => {
    const total = Math.max(
      1,
      row.reduce((a, b) => a + b, 0),
    )
    row.forEach((n, j) => {
      const [x, y, share] = [LEFT + j * CELL, TOP + i * CELL, n / total]
      // The root makes rare confusions visible beside the diagonal.
      const fill = `rgba(${i === j ? '31,119,80' : '178,58,46'},${Math.sqrt(share).toFixed(3)})`
      parts.push(`<rect x="${x}" y="${y}" width="${CELL}" height="${CELL}" fill="${fill}" stroke="#ddd"/>`)
      if (n > 0) {
        const ink = share > 0.4 ? '#fff' : '#222'
        parts.push(`<text x="${x + CELL / 2}" y="${y + CELL / 2 + 5}" text-anchor="middle" fill="${ink}">${n}</text>`)
      }
    })
  })
  names.forEach((name, i) => {
    const middle = i * CELL + CELL / 2
    parts.push(`<text x="${LEFT - 8}" y="${TOP + middle + 5}" text-anchor="end">${escaped(name)}</text>`)
    const [x, y] = [LEFT + middle + 5, TOP - 8]
    parts.push(`<text x="${x}" y="${y}" transform="rotate(-60 ${x} ${y})">${escaped(name)}</text>`)
  })
  const [width, height] = [LEFT + side + 40, TOP + side + 40]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="${height - 14}">${escaped(title)}: rows are the true classes, columns the model's</text>
${parts.join('\n')}
</svg>
`
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
