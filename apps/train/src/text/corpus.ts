import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { ConfigError } from '@filature/tensor'
import { HuggingFaceTokenizer, type Tokenizer, type TokenizerJson, trainBpe } from '@filature/tokenizers'
import { readText } from './read.ts'

/** Stands before and behind every text; begins prompts, ends answers. */
export const END_OF_TEXT = '<|endoftext|>'

/** Texts, each cut into what is learned from and, at its end, what is held out. */
export interface Texts {
  readonly train: readonly string[]
  readonly heldOut: readonly string[]
  /** SHA-256 over all files: going on with others would be another run. */
  readonly sha256: string
}

export async function readTexts(paths: readonly string[], heldOut: number): Promise<Texts> {
  const hash = createHash('sha256')
  const parts: { train: string; heldOut: string }[] = []
  for (const path of paths) {
    const { text, sha256 } = await readText(path)
    hash.update(sha256)
    parts.push(split(text, heldOut))
  }
  const [train, test] = [parts.map((part) => part.train), parts.map((part) => part.heldOut)]
  return { train, heldOut: test.filter((text) => text !== ''), sha256: hash.digest('hex') }
}

/** Cuts at the start of the line nearest to the wanted place; a text of one line is cut between words. */
function split(text: string, heldOut: number): { train: string; heldOut: string } {
  if (heldOut === 0) return { train: text, heldOut: '' }
  const wanted = Math.floor(text.length * (1 - heldOut))
  const line = text.lastIndexOf('\n', wanted) + 1
  const cut = line > 0 ? line : text.lastIndexOf(' ', wanted) + 1
  return { train: text.slice(0, cut), heldOut: text.slice(cut) }
}

/** Byte-level BPE from the texts to learn from, with what other loaders want beside tokenizer.json. */
export function learnTokenizer(train: readonly string[], vocabSize: number): TokenizerJson {
  return trainBpe(train, { vocabSize, specialTokens: [END_OF_TEXT] })
}

export const tokenizerConfig = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  bos_token: END_OF_TEXT,
  eos_token: END_OF_TEXT,
  pad_token: END_OF_TEXT,
  clean_up_tokenization_spaces: false,
}

export const openTokenizer = (json: TokenizerJson): Tokenizer => new HuggingFaceTokenizer(json, tokenizerConfig)

/** One row of ids: `end` (the end of a text), text, end, text, ..., end. */
export function tokenRow(
  tokenizer: Tokenizer,
  texts: readonly string[],
  end: number = tokenizer.special.eos!,
): Int32Array {
  const ids = texts.flatMap((text) => [
    end,
    ...tokenizer.encode(text, { addSpecialTokens: false, parseSpecialTokens: false }).ids,
  ])
  return Int32Array.from([...ids, end])
}

export function requireEnough(tokens: Int32Array, length: number, paths: readonly string[]): void {
  if (tokens.length > length + 1) return
  throw new ConfigError(
    'text-short',
    `--text ${paths.map((path) => basename(path)).join(' ')}: wanted more than ${length + 1} tokens to learn from, got ` +
      `${tokens.length}; give more text or a smaller --length.`,
  )
}

export const bytesIn = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0)
