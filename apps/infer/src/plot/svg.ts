/** An element with its attributes; children are elements already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  ...children: string[]
): string {
  const said = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`)
  return children.length ? `<${name}${said.join('')}>${children.join('')}</${name}>` : `<${name}${said.join('')}/>`
}

export function text(
  x: number,
  y: number,
  words: string,
  attributes: Readonly<Record<string, string | number>> = {},
): string {
  return element('text', { x: round(x), y: round(y), ...attributes }, escaped(words))
}

/** A whole picture on white. */
export function picture(width: number, height: number, parts: readonly string[]): string {
  const size = { width: Math.ceil(width), height: Math.ceil(height) }
  const frame = {
    xmlns: 'http://www.w3.org/2000/svg',
    ...size,
    viewBox: `0 0 ${size.width} ${size.height}`,
    'font-family': 'sans-serif',
    'font-size': 13,
  }
  return `${element('svg', frame, '\n', element('rect', { width: '100%', height: '100%', fill: '#fff' }), '\n', ...parts.map((p) => `${p}\n`))}\n`
}

export const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** Two digits behind the point are enough for a pixel. */
export const round = (x: number): number => Math.round(x * 100) / 100
