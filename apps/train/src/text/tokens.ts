import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '@filature/tensor'
import { CharTokenizer, type Tokenizer } from '@filature/tokenizers'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import { json } from '../run/folder.ts'
import { learnTokenizer, openTokenizer, type Texts, tokenizerConfig } from './corpus.ts'

export const tokenKinds = ['char', 'bpe'] as const
export type TokenKind = (typeof tokenKinds)[number]

/** Stands before and behind every text of characters, which have no end-of-text. */
const NEWLINE = '\n'

export interface TextTokens {
  readonly tokenizer: Tokenizer
  /** Stands before and behind every text; samples begin with it. */
  readonly boundary: number
  /** What `loadTokenizer` reads it from. */
  readonly files: Readonly<Record<string, string>>
}

/** Byte-level BPE from what is learned from; or one token for each character, of what is held out as well. */
export function learnTokens(kind: TokenKind, { train, heldOut }: Texts, vocab: number): TextTokens {
  if (kind === 'char') {
    const tokenizer = CharTokenizer.fromText([...train, ...heldOut, NEWLINE].join(''))
    return tokensOf(tokenizer, { 'tokenizer.json': json(tokenizer.toJSON()) })
  }
  const learned = learnTokenizer(train, vocab)
  const files = { 'tokenizer.json': json(learned), 'tokenizer_config.json': json(tokenizerConfig) }
  return tokensOf(openTokenizer(learned), files)
}

/** Those of a checkpoint. */
export async function storedTokens(checkpoint: string): Promise<TextTokens> {
  const tokenizer = await loadTokenizerFolder(checkpoint)
  const names = tokenizer.special.eos === undefined ? ['tokenizer.json'] : ['tokenizer.json', 'tokenizer_config.json']
  const read = names.map(async (name) => [name, await readFile(join(checkpoint, name), 'utf8')] as const)
  return tokensOf(tokenizer, Object.fromEntries(await Promise.all(read)))
}

function tokensOf(tokenizer: Tokenizer, files: TextTokens['files']): TextTokens {
  const boundary = tokenizer.special.eos ?? tokenizer.tokenToId(NEWLINE)
  if (boundary === undefined) {
    throw new ConfigError(
      'text-boundary',
      'train: wanted a tokenizer with an end-of-text or a newline, it has neither.',
    )
  }
  return { tokenizer, boundary, files }
}
