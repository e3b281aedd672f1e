import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RowText } from './row-text.ts'

fc.configureGlobal({ seed: 1 })

const pieces = (parts: readonly string[]) => ({ push: (id: number) => parts[id]!, end: () => '' })

describe('RowText', () => {
  it('finds a stop string across tokens and gives out nothing of it', () => {
    const text = new RowText(pieces(['Hi', ' #', '##', ' Human']), ['###'])
    expect([0, 1, 2].map((id) => text.push(id))).toEqual(['Hi', ' ', ''])
    expect(text.stopped).toBe(true)
    expect(text.push(3) + text.end()).toBe('')
  })

  it('gives out what only looked like a stop string', () => {
    const text = new RowText(pieces(['a#', '#b', '#']), ['###'])
    expect([0, 1, 2].map((id) => text.push(id))).toEqual(['a', '##b', ''])
    expect(text.end()).toBe('#')
    expect(text.stopped).toBe(false)
  })

  it('ends where the first stop string begins, however the text is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 4 })
    fc.assert(
      fc.property(
        fc.array(letters),
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 })),
        (parts, stops) => {
          const text = new RowText(pieces(parts), stops)
          let out = ''
          let given = 0
          for (const id of parts.keys()) {
            if (!text.stopped) given++
            out += text.push(id)
          }
          const stopped = text.stopped
          out += text.end()
          // the definition, on what was pushed until it stopped
          const whole = parts.slice(0, given).join('')
          const places = stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0)
          expect(stopped).toBe(places.length > 0)
          expect(out).toBe(places.length > 0 ? whole.slice(0, Math.min(...places)) : whole)
        },
      ),
    )
  })
})
