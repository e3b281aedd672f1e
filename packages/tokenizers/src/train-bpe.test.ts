import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TEXTS } from './__fixtures__/texts.ts'
import { HuggingFaceTokenizer } from './hugging-face.ts'
import { trainBpe } from './train-bpe.ts'

fc.configureGlobal({ seed: 1 })

/** The definition, counted anew before every merge. */
function slowly(text: string, merges: number, minFrequency: number): [string, string][] {
  const bytes = Object.keys(trainBpe('', { vocabSize: 256 }).model.vocab)
  const rank = new Map(bytes.map((token, id) => [token, id]))
  const tokenizer = new HuggingFaceTokenizer(trainBpe('', { vocabSize: 256 }))
  const pattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu
  let words = (text.match(pattern) ?? []).map((word) =>
    tokenizer.encode(word).ids.map((id) => tokenizer.idToToken(id)!),
  )
  const out: [string, string][] = []
  for (let n = 0; n < merges; n++) {
    const counts = new Map<string, number>()
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        const key = `${word[i - 1]} ${word[i]}`
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    }
    const order = (key: string) => key.split(' ').map((token) => rank.get(token)!) as [number, number]
    const [best, count] = [...counts].sort(
      ([a, x], [b, y]) => y - x || order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1],
    )[0] ?? ['', 0]
    if (count < minFrequency) break
    const [left, right] = best.split(' ') as [string, string]
    if (!rank.has(left + right)) rank.set(left + right, rank.size)
    out.push([left, right])
    words = words.map((word) => {
      const joined: string[] = []
      for (let i = 0; i < word.length; i++) {
        if (word[i] === left && word[i + 1] === right) joined.push(left + word[++i])
        else joined.push(word[i]!)
      }
      return joined
    })
  }
  return out
}

describe('trainBpe', () => {
  const corpus = TEXTS.join('\n')
  const json = trainBpe(corpus, { vocabSize: 700, specialTokens: ['<|endoftext|>', '<pad>'] })
  const tokenizer = new HuggingFaceTokenizer(json, { eos_token: '<|endoftext|>', pad_token: '<pad>' })

  it('merges what the definition merges', () => {
    const text = TEXTS.slice(25, 50).join('\n')
    const merges = trainBpe(text, { vocabSize: 400 }).model.merges
    expect(merges).toHaveLength(144)
    expect(merges).toEqual(slowly(text, 144, 2))
  })

  it('merges what the definition merges in texts of few letters, where pairs overlap', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'é'), maxLength: 60 }), (text) => {
        expect(trainBpe(text, { vocabSize: 276, minFrequency: 1 }).model.merges).toEqual(slowly(text, 20, 1))
      }),
      { numRuns: 50 },
    )
  })

  it('has the special tokens first, then the bytes, then the merges', () => {
    expect(tokenizer.vocabSize).toBe(700)
    expect(tokenizer.special).toEqual({ eos: 0, pad: 1 })
    expect(json.model.merges).toHaveLength(700 - 258)
    expect(tokenizer.encode('<|endoftext|>').ids).toEqual([0])
  })

  it('reads back identically, and gives back every text', () => {
    const again = new HuggingFaceTokenizer(JSON.parse(JSON.stringify(json)))
    for (const text of TEXTS) {
      const { ids } = tokenizer.encode(text)
      expect(again.encode(text).ids).toEqual(ids)
      expect(again.decode(ids)).toBe(text)
    }
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => void expect(again.decode(again.encode(text).ids)).toBe(text),
      ),
    )
  })

  it('shortens text that it learned from', () => {
    const bytes = new TextEncoder().encode(corpus).length
    expect(tokenizer.encode(corpus).ids.length).toBeLessThan(0.55 * bytes)
  })

  it('does not learn from special tokens, nor across documents', () => {
    const merges = trainBpe('xy<s>xy<s>xy', { vocabSize: 300, specialTokens: ['<s>'] }).model.merges
    expect(merges).toEqual([['x', 'y']])
    expect(trainBpe(['x', 'y', 'x', 'y'], { vocabSize: 300 }).model.merges).toEqual([])
  })

  it('keeps merges inside the words of a pattern of one’s own', () => {
    const json = trainBpe('12 12 12 1212', { vocabSize: 300, pattern: '\\p{N}|[^\\p{N}]+' })
    expect(json.model.merges).toEqual([])
    expect(new HuggingFaceTokenizer(json).encode('1212').ids).toHaveLength(4)
  })

  it('stops when no pair is frequent enough, and refuses a vocabulary without room for bytes', () => {
    expect(trainBpe('abcd', { vocabSize: 1000 }).model.merges).toEqual([])
    expect(() => trainBpe('', { vocabSize: 255 })).toThrow(expect.objectContaining({ code: 'vocab-size' }))
    expect(() => trainBpe('', { vocabSize: 300, specialTokens: ['a'] })).toThrow(
      expect.objectContaining({ code: 'special-tokens' }),
    )
  })
})
