import { ConfigError } from '@filature/tensor'
import { gpt2Tokenizer, type PieceType, SentencePieceTokenizer, type Tokenizer } from '@filature/tokenizers'

/** The tokenizer that a GGUF file carries in its metadata: SentencePiece BPE (`llama`) or GPT-2's byte-level BPE. */
export function ggufTokenizer(metadata: Readonly<Record<string, unknown>>, who: string): Tokenizer {
  const get = (key: string) => metadata[`tokenizer.ggml.${key}`]
  const tokens = get('tokens') as string[] | undefined
  const kind = get('model')
  if (!tokens || (kind !== 'llama' && kind !== 'gpt2')) {
    throw new ConfigError(
      'gguf-tokenizer',
      `${who}: it has no tokenizer known here (${kind}); name one as --tokenizer.`,
    )
  }
  const id = (key: string, fallback: number) => Number(get(`${key}_token_id`) ?? fallback)
  if (kind === 'gpt2') {
    const split = get('pre')
    if (split !== undefined && split !== 'gpt-2' && split !== 'default') {
      throw new ConfigError(
        'gguf-tokenizer',
        `${who}: its words are split as ${split} has them; name its tokenizer.json as --tokenizer.`,
      )
    }
    const ids = Object.fromEntries(tokens.map((token, i) => [token, i]))
    const named = (key: string) => {
      const token = get(`${key}_token_id`) === undefined ? undefined : tokens[id(key, 0)]
      return token === undefined ? {} : { [`${key}_token`]: token }
    }
    return gpt2Tokenizer(JSON.stringify(ids), (get('merges') as string[]).join('\n'), {
      ...named('bos'),
      ...named('eos'),
    })
  }
  const scores = get('scores') as number[] | undefined
  const types = get('token_type') as number[] | undefined
  const pieces = tokens.map((piece, i) => ({
    piece,
    score: scores?.[i] ?? 0,
    // GGUF numbers its kinds of tokens as SentencePiece does.
    type: Number(types?.[i] ?? 1) as PieceType,
  }))
  return new SentencePieceTokenizer(
    {
      pieces,
      type: 'bpe',
      byteFallback: true,
      unkSurface: ' \u2047 ',
      treatWhitespaceAsSuffix: false,
      ids: { unk: id('unknown', 0), bos: id('bos', 1), eos: id('eos', 2), pad: id('padding', -1) },
      normalizer: {
        charsmap: new Uint8Array(),
        addDummyPrefix: get('add_space_prefix') !== false,
        removeExtraWhitespaces: false,
        escapeWhitespaces: true,
      },
    },
    { addBos: get('add_bos_token') !== false },
  )
}
