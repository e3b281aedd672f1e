import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SentencePieceTokenizer } from './sentencepiece.ts'

const read = (name: string) => readFileSync(new URL(`__fixtures__/sentencepiece/${name}`, import.meta.url))

interface Reference {
  vocabSize: number
  bos: number
  eos: number
  unk: number
  pad: number
  cases: [text: string | null, ids: number[], decoded: string][]
}

describe.each(['bpe-llama', 'unigram-nfkc', 'unigram-bytes', 'bpe-symbols'])('%s', (name) => {
  const tokenizer = new SentencePieceTokenizer(read(`${name}.model`))
  const reference = JSON.parse(read(`${name}.json`).toString()) as Reference

  it('has the reference library’s vocabulary', () => {
    expect(tokenizer.vocabSize).toBe(reference.vocabSize)
    const { bos, eos, unk, pad } = tokenizer.special
    expect([bos, eos, unk, pad ?? -1]).toEqual([reference.bos, reference.eos, reference.unk, reference.pad])
  })

  it('encodes as the reference library', () => {
    for (const [text, ids] of reference.cases) {
      if (text === null) continue
      const ours = tokenizer.encode(text, { addSpecialTokens: false, parseSpecialTokens: false }).ids
      expect([text, ours]).toEqual([text, ids])
    }
  })

  it('decodes as the reference library', () => {
    for (const [, ids, decoded] of reference.cases) expect([ids, tokenizer.decode(ids)]).toEqual([ids, decoded])
  })

  it('decodes the same as a stream', () => {
    for (const [, ids, decoded] of reference.cases) {
      const stream = tokenizer.decodeStream()
      expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(decoded)
    }
  })
})
