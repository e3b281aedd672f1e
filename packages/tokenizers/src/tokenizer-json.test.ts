import { describe, expect, it } from 'vitest'
import { HuggingFaceTokenizer } from './hugging-face.ts'
import type { TokenizerJson } from './tokenizer-json.ts'

// Each step by what the format's own library (Rust) makes of the text. A WordPiece model of which every character is a
// token, and `##` none, shows how a text was split: a word of more than one character is unknown as a whole.
const words = (pre_tokenizer: object, text: string): string[] => {
  const seen = new Set(text.replaceAll(' ', '▁') + text)
  const pieces = new Set<string>(['[UNK]', ...seen])
  for (let i = 0; i < text.length; i++) {
    for (let j = i + 1; j <= text.length; j++) {
      pieces.add(text.slice(i, j))
      pieces.add(text.slice(i, j).replaceAll(' ', '▁'))
      pieces.add(`▁${text.slice(i, j)}`.replaceAll(' ', '▁'))
    }
  }
  const vocab = Object.fromEntries([...pieces].map((piece, id) => [piece, id]))
  const tokenizer = new HuggingFaceTokenizer({
    pre_tokenizer,
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  })
  return tokenizer.encode(text).ids.map((id) => tokenizer.idToToken(id)!)
}

describe('steps that the library reads otherwise than the format', () => {
  it('Whitespace knows letters of all scripts', () => {
    expect(words({ type: 'Whitespace' }, 'café, l’été!?')).toEqual(['café', ',', 'l', '’', 'été', '!?'])
  })

  it('WhitespaceSplit splits where Unicode has white space', () => {
    expect(words({ type: 'WhitespaceSplit' }, 'a\uFEFFb\u0085c d')).toEqual(['a\uFEFFb', 'c', 'd'])
  })

  it('unknown pieces are one within a word only', () => {
    const tokenizer = new HuggingFaceTokenizer({
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: { type: 'BPE', vocab: { '?': 0, a: 1 }, merges: [], unk_token: '?', fuse_unk: true },
    })
    expect(tokenizer.encode('axy zw a').ids).toEqual([1, 0, 0, 1])
  })

  it('a single_word token is found where it stands alone', () => {
    const vocab = Object.fromEntries([...'abAB_. xé'].map((c, id) => [c, id]))
    const encode = (text: string, normalized: boolean) =>
      new HuggingFaceTokenizer({
        added_tokens: [{ id: 9, content: 'AB', single_word: true, normalized }],
        normalizer: { type: 'Sequence', normalizers: [] },
        model: { type: 'BPE', vocab, merges: [] },
      })
        .encode(text)
        .ids.join()
    for (const normalized of [false, true]) {
      expect(encode('AB', normalized)).toBe('9')
      expect(encode('a AB.', normalized)).toBe('0,6,9,5')
      expect(encode('aAB AB', normalized)).toBe('0,2,3,6,9')
      expect(encode('ABx', normalized)).toBe('2,3,7')
      expect(encode('éAB_', normalized)).toBe('8,2,3,4')
      expect(encode('ABAB', normalized)).toBe('2,3,2,3')
    }
  })

  it('a single_word token is no word of the model', () => {
    const tokenizer = new HuggingFaceTokenizer({
      added_tokens: [{ id: 4, content: 'ab', single_word: true }],
      model: {
        type: 'WordPiece',
        unk_token: '?',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: { '?': 0, a: 1, '##b': 2, '##c': 3 },
      },
    })
    expect(tokenizer.encode('abc').ids).toEqual([1, 2, 3])
    expect(tokenizer.encode('ab').ids).toEqual([4])
    expect(tokenizer.tokenToId('ab')).toBe(4)
    expect(tokenizer.decode([4])).toBe('ab')
  })

  it('byte fallback keeps U+FEFF', () => {
    const bytes = ['<0xEF>', '<0xBB>', '<0xBF>']
    const vocab = Object.fromEntries(bytes.map((byte, id) => [byte, id]))
    const decode = (decoder: object) =>
      new HuggingFaceTokenizer({ decoder, model: { type: 'BPE', vocab, merges: [], byte_fallback: true } }).decode([
        0, 1, 2, 0, 1, 2,
      ])
    expect(decode({ type: 'ByteFallback' })).toBe('\uFEFF\uFEFF')
    expect(decode({ type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }] })).toBe('\uFEFF\uFEFF')
  })

  it('a WordPiece decoder with cleanup: false leaves spaces', () => {
    const model = { type: 'WordPiece', unk_token: '.', vocab: { a: 0, '.': 1 } }
    const decode = (cleanup?: boolean, config = {}) =>
      new HuggingFaceTokenizer({ decoder: { type: 'WordPiece', prefix: '##', cleanup }, model }, config).decode([0, 1])
    expect(decode(false)).toBe('a .')
    expect(decode(true)).toBe('a.')
    expect(decode(false, { clean_up_tokenization_spaces: true })).toBe('a.')
  })

  it('Punctuation isolates each mark', () => {
    expect(words({ type: 'Punctuation' }, 'a...b')).toEqual(['a', '.', '.', '.', 'b'])
    expect(words({ type: 'Punctuation', behavior: 'Contiguous' }, 'a...b')).toEqual(['a', '...', 'b'])
    expect(words({ type: 'Punctuation', behavior: 'Removed' }, 'a...b')).toEqual(['a', 'b'])
  })

  it('Digits knows numbers of all scripts', () => {
    expect(words({ type: 'Digits', individual_digits: true }, 'a12٣b')).toEqual(['a', '1', '2', '٣', 'b'])
    expect(words({ type: 'Digits', individual_digits: false }, 'a12٣b')).toEqual(['a', '12٣', 'b'])
  })

  it('Split merges matches as told', () => {
    const split = (behavior: string) =>
      words({ type: 'Split', pattern: { String: '-' }, behavior, invert: false }, 'a--b-c')
    expect(split('Isolated')).toEqual(['a', '-', '-', 'b', '-', 'c'])
    expect(split('Removed')).toEqual(['a', 'b', 'c'])
    expect(split('Contiguous')).toEqual(['a', '--', 'b', '-', 'c'])
    expect(split('MergedWithPrevious')).toEqual(['a-', '-', 'b-', 'c'])
    expect(split('MergedWithNext')).toEqual(['a', '-', '-b', '-c'])
    const kept = { type: 'Split', pattern: { Regex: '\\w+' }, behavior: 'Removed', invert: true }
    expect(words(kept, 'ab, cd')).toEqual(['ab', 'cd'])
    expect(words({ type: 'CharDelimiterSplit', delimiter: ',' }, 'a,b')).toEqual(['a', 'b'])
  })

  it('Metaspace splits words and heeds add_prefix_space', () => {
    expect(words({ type: 'Metaspace' }, 'ab cd')).toEqual(['▁ab', '▁cd'])
    expect(words({ type: 'Metaspace', split: false }, 'ab cd')).toEqual(['▁ab▁cd'])
    expect(words({ type: 'Metaspace', add_prefix_space: false }, 'ab cd')).toEqual(['ab', '▁cd'])
    expect(words({ type: 'Metaspace', prepend_scheme: 'never' }, 'ab cd')).toEqual(['ab', '▁cd'])
  })

  it('a Metaspace decoder that never prepended keeps the first space', () => {
    const vocab = { '▁a': 0, b: 1 }
    const model = { type: 'BPE', vocab, merges: [] }
    const decode = (decoder: object) => new HuggingFaceTokenizer({ decoder, model }).decode([0, 1])
    expect(decode({ type: 'Metaspace', prepend_scheme: 'always' })).toBe('ab')
    expect(decode({ type: 'Metaspace', prepend_scheme: 'never' })).toBe(' ab')
  })
})

describe('a file that cannot be read rightly', () => {
  const model = { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] }
  const refused = (json: unknown, code: string) =>
    expect(() => new HuggingFaceTokenizer(json as TokenizerJson)).toThrow(expect.objectContaining({ code }))

  it('is refused by name', () => {
    refused({}, 'malformed-tokenizer')
    refused({ model: { type: 'BPE', vocab: { a: 0, b: 0 }, merges: [] } }, 'malformed-tokenizer')
    refused({ model: { type: 'BPE', vocab: { a: -1 }, merges: [] } }, 'malformed-tokenizer')
    refused({ model: { type: 'BPE', vocab: { a: 0 } } }, 'malformed-tokenizer')
    refused({ model: { type: 'Unigram', vocab: [['a', 0]], unk_id: 1 } }, 'malformed-tokenizer')
    refused({ model: { type: 'WordLevel', vocab: {} } }, 'unsupported-model')
    refused({ model: { ...model, dropout: 0.1 } }, 'unsupported-model')
    refused({ model, pre_tokenizer: { type: 'UnicodeScripts' } }, 'unsupported-tokenizer')
    refused(
      { model, pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'Contiguous', invert: true } },
      'unsupported-pre-tokenizer',
    )
    refused({ model, post_processor: { type: 'Other' } }, 'unsupported-tokenizer')
    refused({ model, normalizer: { type: 'Nmt' } }, 'unsupported-tokenizer')
  })

  it('adds tokens that only tokenizer_config.json lists', () => {
    const added_tokens_decoder = { '2': { content: '<x>', special: true } }
    const tokenizer = new HuggingFaceTokenizer({ model }, { added_tokens_decoder, pad_token: '<x>' })
    expect(tokenizer.encode('a<x>b').ids).toEqual([0, 2, 1])
    expect(tokenizer.special.pad).toBe(2)
    expect(tokenizer.vocabSize).toBe(3)
  })
})
