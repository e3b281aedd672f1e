import { TokenizerError } from './errors.ts'
import { HuggingFaceTokenizer } from './hugging-face.ts'
import type { TokenizerConfig } from './hugging-face-config.ts'

/**
 * A BERT tokenizer from its vocab.txt: one token a line, the line number is the id. Devlin et al. 2019: text is cleaned,
 * lower-cased and stripped of accents (unless `do_lower_case` is false), split at spaces, punctuation and CJK
 * ideographs, then into the longest pieces of the vocabulary from the left.
 */
export function bertTokenizer(vocab: string, config: TokenizerConfig = {}): HuggingFaceTokenizer {
  const lines = vocab.split(/\r?\n/)
  while (lines.at(-1) === '') lines.pop()
  const ids = new Map<string, number>()
  for (const [id, token] of lines.entries()) ids.set(token, id)
  const named = {
    unk_token: '[UNK]',
    sep_token: '[SEP]',
    pad_token: '[PAD]',
    cls_token: '[CLS]',
    mask_token: '[MASK]',
    ...Object.fromEntries(Object.entries(config).filter(([, value]) => value != null)),
  } as TokenizerConfig
  const content = (token: unknown) => (typeof token === 'string' ? token : (token as { content: string }).content)
  const idOf = (role: 'unk' | 'sep' | 'pad' | 'cls' | 'mask') => {
    const token = content(named[`${role}_token`])
    const id = ids.get(token)
    if (id === undefined && role !== 'mask' && role !== 'pad') {
      throw new TokenizerError(
        'malformed-vocabulary',
        `vocab.txt: wanted the token ${token}, got ${lines.length} tokens without it.`,
      )
    }
    return { token, id }
  }
  const special = (['pad', 'unk', 'cls', 'sep', 'mask'] as const).map(idOf).filter(({ id }) => id !== undefined)
  const [cls, sep] = [idOf('cls'), idOf('sep')]
  return new HuggingFaceTokenizer(
    {
      version: '1.0',
      added_tokens: special.map(({ token, id }) => ({ id: id!, content: token, special: true, normalized: false })),
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: config.tokenize_chinese_chars ?? true,
        strip_accents: config.strip_accents ?? null,
        lowercase: config.do_lower_case ?? true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: { type: 'BertProcessing', sep: [sep.token, sep.id], cls: [cls.token, cls.id] },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: content(named.unk_token),
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(ids),
      },
    },
    named,
  )
}
