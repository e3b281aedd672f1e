import { HuggingFaceTokenizer, type Tokenizer, type TokenizerJson, trainBpe } from '@filature/tokenizers'

export const SPECIAL = ['[PAD]', '[CLS]', '[SEP]', '[MASK]'] as const
/** Ids of the special tokens: their places in the list. */
export const [, CLS, SEP, MASK] = [0, 1, 2, 3] as const

export const tokenizerConfig = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  pad_token: '[PAD]',
  cls_token: '[CLS]',
  sep_token: '[SEP]',
  mask_token: '[MASK]',
  clean_up_tokenization_spaces: false,
}

/**
 * Byte-level BPE from lower-case texts, with BERT's special tokens in front. What it reads later is put in lower case,
 * behind a blank, and between [CLS] and [SEP].
 */
export function learnWords(texts: readonly string[], vocabSize: number): TokenizerJson {
  const learned = trainBpe(texts, { vocabSize, specialTokens: [...SPECIAL] })
  return {
    ...learned,
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { ...learned.pre_tokenizer!, add_prefix_space: true },
    post_processor: { type: 'BertProcessing', sep: ['[SEP]', SEP], cls: ['[CLS]', CLS] },
  }
}

export const openWords = (json: TokenizerJson): Tokenizer => new HuggingFaceTokenizer(json, tokenizerConfig)

/** Plain ids of a sentence, as it stands behind a blank. */
export const encodePlain = (tokenizer: Tokenizer, text: string): number[] => [
  ...tokenizer.encode(` ${text}`, { addSpecialTokens: false, parseSpecialTokens: false }).ids,
]

/** [CLS] a [SEP], or [CLS] a [SEP] b [SEP], cut to `length` by dropping from the longer end. */
export function joinPair(a: readonly number[], b: readonly number[] | undefined, length: number) {
  const room = length - (b ? 3 : 2)
  let [ofA, ofB] = [a.length, b?.length ?? 0]
  while (ofA + ofB > room) {
    if (ofA >= ofB) ofA--
    else ofB--
  }
  const ids = [CLS, ...a.slice(0, ofA), SEP]
  const types = ids.map(() => 0)
  if (b) {
    ids.push(...b.slice(0, ofB), SEP)
    while (types.length < ids.length) types.push(1)
  }
  return { ids, types }
}

/** Rows of one length, padded behind. */
export function padTo(rows: readonly (readonly number[])[], length: number, pad: number): Int32Array {
  const out = new Int32Array(rows.length * length).fill(pad)
  rows.forEach((row, i) => {
    out.set(row, i * length)
  })
  return out
}
