import { CharTokenizer, type CharTokenizerJson } from './characters.ts'
import { TokenizerError } from './errors.ts'
import { gpt2Tokenizer } from './gpt2.ts'
import { HuggingFaceTokenizer } from './hugging-face.ts'
import { contentOf, type TokenizerConfig } from './hugging-face-config.ts'
import { llama2cTokenizer } from './llama2c.ts'
import { SentencePieceTokenizer } from './sentencepiece.ts'
import type { Tokenizer } from './tokenizer.ts'
import type { TokenizerJson } from './tokenizer-json.ts'
import { bertTokenizer } from './word-piece.ts'

/** The bytes of a file of a model's folder, or undefined when it has none of that name. */
export type ReadFile = (name: string) => Promise<Uint8Array | undefined>

const SENTENCEPIECE = ['tokenizer.model', 'spiece.model', 'sentencepiece.bpe.model']

/**
 * The tokenizer of a model folder, from the first of these that it has: tokenizer.json, a SentencePiece model, vocab.json
 * and merges.txt, vocab.txt, tokenizer.bin; with tokenizer_config.json and special_tokens_map.json where they are.
 */
export async function loadTokenizer(read: ReadFile): Promise<Tokenizer> {
  const config = (await json<TokenizerConfig>(read, 'tokenizer_config.json')) ?? {}
  const map = (await json<TokenizerConfig>(read, 'special_tokens_map.json')) ?? {}
  const both = { ...map, ...config }
  const whole = await json<TokenizerJson | CharTokenizerJson>(read, 'tokenizer.json')
  if (whole) {
    return 'type' in whole && whole.type === 'characters'
      ? CharTokenizer.fromJSON(whole)
      : new HuggingFaceTokenizer(whole as TokenizerJson, config, map)
  }
  for (const name of SENTENCEPIECE) {
    const bytes = await read(name)
    if (bytes) return sentencePiece(bytes, both)
  }
  const [vocab, merges] = [await text(read, 'vocab.json'), await text(read, 'merges.txt')]
  if (vocab !== undefined && merges !== undefined) return gpt2Tokenizer(vocab, merges, both)
  const pieces = await text(read, 'vocab.txt')
  if (pieces !== undefined) return bertTokenizer(pieces, both)
  const binary = await read('tokenizer.bin')
  if (binary) return llama2cTokenizer(binary)
  throw new TokenizerError(
    'no-tokenizer',
    `loadTokenizer: wanted one of tokenizer.json, ${SENTENCEPIECE.join(', ')}, vocab.json with merges.txt, vocab.txt, ` +
      'tokenizer.bin; the folder has none of them.',
  )
}

function sentencePiece(bytes: Uint8Array, config: TokenizerConfig): SentencePieceTokenizer {
  const plain = new SentencePieceTokenizer(bytes)
  const padId = config.pad_token ? plain.tokenToId(contentOf(config.pad_token)) : undefined
  return new SentencePieceTokenizer(plain.model, {
    addBos: config.add_bos_token,
    addEos: config.add_eos_token ?? /^T5/.test(config.tokenizer_class ?? ''),
    padId,
    paddingSide: config.padding_side,
  })
}

async function text(read: ReadFile, name: string): Promise<string | undefined> {
  const bytes = await read(name)
  return bytes && new TextDecoder().decode(bytes)
}

async function json<T>(read: ReadFile, name: string): Promise<T | undefined> {
  const contents = await text(read, name)
  if (contents === undefined) return undefined
  try {
    return JSON.parse(contents) as T
  } catch (cause) {
    throw new TokenizerError(
      'malformed-tokenizer',
      `${name}: not json (${(cause as Error).message}); is the file whole?`,
      { cause },
    )
  }
}
