import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CharTokenizer } from './characters.ts'

fc.configureGlobal({ seed: 1 })

describe('CharTokenizer', () => {
  const tokenizer = CharTokenizer.fromText('hello wörld 😀')

  it('sorts the characters of the text by code point', () => {
    expect(tokenizer.characters).toEqual([' ', 'd', 'e', 'h', 'l', 'o', 'r', 'w', 'ö', '😀'])
    expect(tokenizer.encode('led 😀').ids).toEqual([4, 2, 1, 0, 9])
    expect(tokenizer.encode('d😀e', { offsets: true }).offsets).toEqual([
      [0, 1],
      [1, 3],
      [3, 4],
    ])
  })

  it('gives back every text that it was made of, also as saved and loaded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const own = CharTokenizer.fromText(text)
        const saved = CharTokenizer.fromJSON(JSON.parse(JSON.stringify(own)))
        expect(saved.decode(own.encode(text).ids)).toBe(text)
      }),
    )
  })

  it('refuses characters that it does not know, or gives the unknown one', () => {
    expect(() => tokenizer.encode('ab')).toThrow(expect.objectContaining({ code: 'unknown-text' }))
    const lenient = CharTokenizer.fromJSON(JSON.parse(JSON.stringify(CharTokenizer.fromText('ab', '?'))))
    expect(lenient.decode(lenient.encode('axb').ids)).toBe('a?b')
    expect(lenient.special).toEqual({ unk: 0 })
  })

  it('refuses a vocabulary with two of one, or with words', () => {
    for (const characters of [['a', 'a'], ['ab'], ['']]) {
      expect(() => new CharTokenizer(characters)).toThrow(expect.objectContaining({ code: 'malformed-vocabulary' }))
    }
  })
})
