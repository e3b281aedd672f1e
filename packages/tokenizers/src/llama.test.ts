import { readFileSync } from 'node:fs'
import llamaTokenizer from 'llama-tokenizer-js'
import { describe, expect, it } from 'vitest'
import { TEXTS } from './__fixtures__/texts.ts'
import { HuggingFaceTokenizer } from './hugging-face.ts'
import { llama2cTokenizer } from './llama2c.ts'
import { SentencePieceTokenizer } from './sentencepiece.ts'
import { PieceType, parseSentencePiece, type SentencePieceModel } from './sentencepiece-model.ts'

// The real LLaMA vocabulary, in the three coats that checkpoints bring it in.
const vocabulary = (llamaTokenizer as unknown as { vocabById: string[] }).vocabById
const merges = [...(llamaTokenizer as unknown as { merges: Map<string, number> }).merges.keys()]
// as that library wants its text, and without the two things that it does not do: empty text, and ▁ as a plain sign
const texts = TEXTS.filter((text) => text !== '' && !text.includes('▁') && !text.includes('<'))
const reference = (text: string) => llamaTokenizer.encode(text)

const json = {
  added_tokens: ['<unk>', '<s>', '</s>'].map((content, id) => ({ id, content, special: true, normalized: false })),
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [
      { SpecialToken: { id: '<s>', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { Sequence: { id: 'B', type_id: 1 } },
    ],
    special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
  },
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  },
  model: {
    type: 'BPE',
    unk_token: '<unk>',
    fuse_unk: true,
    byte_fallback: true,
    vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
    merges,
  },
}

function model(): SentencePieceModel {
  const pieces = vocabulary.map((piece, id) => {
    const type =
      id === 0 ? PieceType.unknown : id < 3 ? PieceType.control : id < 259 ? PieceType.byte : PieceType.normal
    return { piece, score: type !== PieceType.normal ? 0 : /^▁▁+$/.test(piece) ? -1e9 : 259 - id, type }
  })
  return {
    pieces,
    type: 'bpe',
    byteFallback: true,
    unkSurface: ' \u2047 ',
    treatWhitespaceAsSuffix: false,
    ids: { unk: 0, bos: 1, eos: 2, pad: -1 },
    normalizer: {
      charsmap: new Uint8Array(),
      addDummyPrefix: true,
      removeExtraWhitespaces: false,
      escapeWhitespaces: true,
    },
  }
}

/** The file that llama2.c writes. */
function tokenizerBin({ pieces }: SentencePieceModel): Uint8Array {
  const chunks: Buffer[] = [Buffer.alloc(4)]
  for (const [id, { piece, score }] of pieces.entries()) {
    const bytes = Buffer.from(id === 1 || id === 2 ? `\n${piece}\n` : piece.replaceAll('▁', ' '))
    const head = Buffer.alloc(8)
    head.writeFloatLE(score, 0)
    head.writeInt32LE(bytes.length, 4)
    chunks.push(head, bytes)
  }
  return Buffer.concat(chunks)
}

const coats = {
  'tokenizer.json': new HuggingFaceTokenizer(json, { bos_token: '<s>', eos_token: { content: '</s>' } }),
  SentencePiece: new SentencePieceTokenizer(model()),
  'tokenizer.bin': llama2cTokenizer(tokenizerBin(model())),
}

describe.each(Object.entries(coats))('the vocabulary of LLaMA from %s', (_name, tokenizer) => {
  it('has 32000 tokens and the special three', () => {
    expect(tokenizer.vocabSize).toBe(32000)
    expect(tokenizer.special).toMatchObject({ bos: 1, eos: 2, unk: 0 })
  })

  it('encodes as another implementation', () => {
    for (const text of texts) expect([text, tokenizer.encode(text).ids]).toEqual([text, reference(text)])
  })

  it('gives the text back, bos left out, whole and as a stream', () => {
    for (const text of texts) {
      const { ids } = tokenizer.encode(text)
      const stream = tokenizer.decodeStream({ skipSpecialTokens: true })
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(text)
      expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(text)
    }
  })

  it('reads special tokens in a text only when asked to', () => {
    expect(tokenizer.encode('</s>').ids).toEqual([1, 2])
    expect(tokenizer.encode('</s>', { parseSpecialTokens: false }).ids).toEqual([1, 1533, 29879, 29958])
  })
})

describe('a tokenizer.json of LLaMA', () => {
  it('follows add_bos_token and add_eos_token', () => {
    const config = {
      tokenizer_class: 'LlamaTokenizer',
      bos_token: '<s>',
      eos_token: '</s>',
      add_bos_token: false,
      add_eos_token: true,
    }
    expect(new HuggingFaceTokenizer(json, config).encode('Hello').ids).toEqual([15043, 2])
  })

  it('places tokens in the text', () => {
    const text = 'Hello wörld, 語 end'
    const { ids, offsets } = coats['tokenizer.json'].encode(text, { offsets: true })
    const words = offsets!.map(([start, end]) => text.slice(start, end))
    expect(words.slice(0, 4)).toEqual(['', 'Hello', ' w', 'ör'])
    expect(words.at(-1)).toBe(' end')
    expect(words).toHaveLength(ids.length)
  })
})

describe('llama2cTokenizer', () => {
  it('equals the SentencePiece model that it was written from', () => {
    const bytes = readFileSync(new URL('__fixtures__/sentencepiece/bpe-llama.model', import.meta.url))
    const original = parseSentencePiece(bytes)
    const tokenizer = llama2cTokenizer(tokenizerBin(original))
    const whole = new SentencePieceTokenizer(original)
    for (const text of TEXTS) expect(tokenizer.encode(text).ids).toEqual(whole.encode(text).ids)
  })

  it('refuses a file that is cut anywhere but between two tokens', () => {
    const file = tokenizerBin(model())
    for (const length of [0, 3, 9, 15, 5000, file.length - 1]) {
      expect(() => llama2cTokenizer(file.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'malformed-tokenizer' }),
      )
    }
  })
})
