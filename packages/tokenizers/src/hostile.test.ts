import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TokenizerError } from './errors.ts'
import { HuggingFaceTokenizer } from './hugging-face.ts'
import { llama2cTokenizer } from './llama2c.ts'
import { SentencePieceTokenizer } from './sentencepiece.ts'
import { trainBpe } from './train-bpe.ts'

fc.configureGlobal({ seed: 1 })

/** Reads, and uses what was read; only a TokenizerError may come of it. */
function survives(read: () => { encode(text: string): { ids: number[] }; decode(ids: number[]): string }): void {
  try {
    const tokenizer = read()
    tokenizer.decode(tokenizer.encode('Call me Ishmael. ½ 日本 😀').ids)
  } catch (error) {
    expect(error).toBeInstanceOf(TokenizerError)
  }
}

const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 })
const damaged = (file: Uint8Array, changes: [number, number][], length: number) => {
  const bytes = file.slice(0, length)
  for (const [at, byte] of changes) bytes[at % bytes.length] = byte
  return bytes
}

it.each(['bpe-llama', 'unigram-nfkc', 'bpe-symbols'])(
  'a damaged SentencePiece file %s is refused or read, nothing else',
  (name) => {
    const file = new Uint8Array(readFileSync(new URL(`__fixtures__/sentencepiece/${name}.model`, import.meta.url)))
    fc.assert(
      fc.property(edits, fc.integer({ min: 1, max: 2 * file.length }), (changes, length) =>
        survives(() => new SentencePieceTokenizer(damaged(file, changes, length))),
      ),
      { numRuns: 150 },
    )
  },
)

it('a damaged tokenizer.bin is refused or read, nothing else', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => survives(() => llama2cTokenizer(bytes))))
})

it('a tokenizer.json with a section of any kind is refused or read, nothing else', () => {
  const json = trainBpe('aa ab', { vocabSize: 260 })
  const sections = fc.constantFrom('normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'added_tokens', 'model')
  const value = fc.oneof(
    fc.jsonValue(),
    fc.record({
      type: fc.constantFrom(
        'Sequence',
        'Split',
        'Replace',
        'TemplateProcessing',
        'BertProcessing',
        'BPE',
        'Unigram',
        'Metaspace',
      ),
    }),
  )
  fc.assert(
    fc.property(sections, value, (section, value) =>
      survives(() => new HuggingFaceTokenizer({ ...json, [section]: value } as never)),
    ),
    { numRuns: 500 },
  )
})
