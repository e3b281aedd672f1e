import { readFileSync } from 'node:fs'

/** Passages of Moby-Dick (public domain), odd spellings and many scripts: the texts of the SentencePiece reference. */
export const TEXTS: readonly string[] = (
  JSON.parse(readFileSync(new URL('sentencepiece/bpe-llama.json', import.meta.url), 'utf8')) as {
    cases: [string | null, number[], string][]
  }
).cases.flatMap(([text]) => (text === null ? [] : [text]))
