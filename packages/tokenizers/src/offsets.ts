import { CHARACTER_TO_BYTE } from './byte-alphabet.ts'
import { TokenizerError } from './errors.ts'
import type { Offset } from './tokenizer.ts'
import type { TokenizerJson } from './tokenizer-json.ts'

const encoder = new TextEncoder()
const SPACE = 0x20

/** The normalized text as bytes, and for each byte the character of the text that it came from. */
interface Folded {
  readonly bytes: number[]
  readonly start: number[]
  readonly end: number[]
}

/**
 * Places of tokens in the text that they came from. The library gives none, so the tokens are laid over the text, whose
 * characters are normalized one by one. Throws where a normalizer changes text in a way that this cannot follow.
 */
export function offsetsOf(
  text: string,
  tokens: readonly string[],
  json: TokenizerJson,
  unk: number | undefined,
  ids: readonly number[],
): Offset[] {
  const folded = fold(text, json.normalizer, marksSpaces(json))
  const added = new Set((json.added_tokens ?? []).map(({ content }) => content))
  const surface = surfaceOf(json, added)
  const trims = json.post_processor?.trim_offsets === true
  const out: Offset[] = []
  let at = 0
  for (const [i, token] of tokens.entries()) {
    const unknown = unk !== undefined && ids[i] === unk
    const bytes = surface(token)
    let from = at
    let to: number
    if (unknown && bytesAt(folded, skipSpace(folded, at), bytes) === undefined) {
      from = skipSpace(folded, at)
      const next = tokens[i + 1]
      to =
        json.model.type === 'WordPiece'
          ? endOfWord(folded, from, text)
          : find(folded, from + 1, next === undefined ? undefined : surface(next))
    } else {
      const found = place(folded, at, bytes)
      if (!found) throw cannotFollow(token, json)
      ;[from, to] = found
    }
    at = to
    if (trims) while (from < to - 1 && folded.bytes[from] === SPACE) from++
    out.push(
      from < to
        ? [folded.start[from]!, folded.end[to - 1]!]
        : [folded.start[from] ?? text.length, folded.start[from] ?? text.length],
    )
  }
  return out
}

const cannotFollow = (token: string, json: TokenizerJson) =>
  new TokenizerError(
    'offsets-unavailable',
    `encode: the token ${JSON.stringify(token)} cannot be placed in the text through the normalizer ` +
      `${JSON.stringify(json.normalizer?.type ?? null)}; encode without offsets.`,
  )

/** Where the token's bytes stand: here, behind spaces, or without the space that the tokenizer put in front. */
function place(folded: Folded, at: number, bytes: readonly number[]): [number, number] | undefined {
  const from = skipSpace(folded, at)
  const without = bytes[0] === SPACE ? bytes.slice(1) : undefined
  const direct = bytesAt(folded, at, bytes)
  if (direct !== undefined) return [at, direct]
  const behind = bytesAt(folded, from, bytes)
  if (behind !== undefined) return [from, behind]
  const end = without && bytesAt(folded, from, without)
  return end === undefined ? undefined : [without!.length === 0 ? at : from, without!.length === 0 ? at : end]
}

function bytesAt({ bytes }: Folded, at: number, wanted: readonly number[]): number | undefined {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return undefined
  return at + wanted.length
}

function skipSpace({ bytes }: Folded, at: number): number {
  while (bytes[at] === SPACE || bytes[at] === 0x0a || bytes[at] === 0x09 || bytes[at] === 0x0d) at++
  return at
}

/** The end of a BERT word: one punctuation mark or ideograph, or all up to the next of them or a space. */
function endOfWord({ bytes, start, end }: Folded, from: number, text: string): number {
  const alone = (at: number) => /^[\p{P}!-/:-@[-`{-~\p{Script=Han}]/u.test(text.slice(start[at]!, end[at]!))
  const space = (at: number) => /^\s/u.test(text.slice(start[at]!, end[at]!))
  let at = from
  do at++
  while (at < bytes.length && (start[at] === start[at - 1] || !(alone(from) || alone(at) || space(at))))
  return at
}

function find(folded: Folded, from: number, wanted: readonly number[] | undefined): number {
  for (let at = from; wanted && at < folded.bytes.length; at++) if (bytesAt(folded, at, wanted) !== undefined) return at
  return folded.bytes.length
}

const isByteLevel = ({ pre_tokenizer, normalizer }: TokenizerJson) =>
  JSON.stringify([pre_tokenizer, normalizer]).includes('"ByteLevel"')

/** Whether ▁ stands for a space; to bytes and to WordPiece it is a character like others. */
const marksSpaces = (json: TokenizerJson) => json.model.type !== 'WordPiece' && !isByteLevel(json)

/** A token's own bytes: without the model's marks, byte-level letters as bytes. */
function surfaceOf(json: TokenizerJson, added: ReadonlySet<string>) {
  const { model } = json
  const byteLevel = isByteLevel(json)
  const prefix: string = model.type === 'WordPiece' ? (model.continuing_subword_prefix ?? '##') : ''
  return (token: string): readonly number[] => {
    if (added.has(token)) return [...encoder.encode(token)]
    if (byteLevel) return Array.from(token, (c) => CHARACTER_TO_BYTE.get(c) ?? -1)
    const byte = /^<0x([0-9A-F]{2})>$/.exec(token)
    if (byte && model.byte_fallback) return [Number.parseInt(byte[1]!, 16)]
    if (prefix !== '' && token.startsWith(prefix)) return [...encoder.encode(token.slice(prefix.length))]
    return [...encoder.encode(prefix === '' ? token.replaceAll('▁', ' ') : token)]
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a section of a json file
function fold(text: string, normalizer: any, marks: boolean): Folded {
  const folded: Folded = { bytes: [], start: [], end: [] }
  const change = folding(normalizer)
  let at = 0
  for (const character of text) {
    const changed = change(character)
    for (const byte of encoder.encode(marks ? changed.replaceAll('▁', ' ') : changed)) {
      folded.bytes.push(byte)
      folded.start.push(at)
      folded.end.push(at + character.length)
    }
    at += character.length
  }
  return folded
}

/** What a normalizer makes of one character. */
// biome-ignore lint/suspicious/noExplicitAny: a section of a json file
function folding(normalizer: any): (character: string) => string {
  switch (normalizer?.type) {
    case undefined:
    case 'Prepend': // the space in front is handled where tokens are placed
    case 'Strip':
      return (c) => c
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (c) => c.normalize(normalizer.type)
    case 'Lowercase':
      return (c) => c.toLowerCase()
    case 'StripAccents':
      return (c) => c.replace(/\p{M}/gu, '')
    case 'Replace':
      if (normalizer.pattern?.String !== undefined)
        return (c) => c.replaceAll(normalizer.pattern.String, normalizer.content ?? '')
      break
    case 'BertNormalizer': {
      const lower = normalizer.lowercase !== false
      const strip = normalizer.strip_accents ?? lower
      return (c) => {
        let out =
          normalizer.clean_text !== false && /^[\0\uFFFD]|^(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u.test(c) ? '' : c
        if (/^\s$/u.test(out)) out = ' '
        if (lower) out = out.toLowerCase()
        return strip ? out.normalize('NFD').replace(/\p{Mn}/gu, '') : out
      }
    }
    case 'Sequence': {
      const steps = (normalizer.normalizers as unknown[]).map(folding)
      return (c) => steps.reduce((out, step) => step(out), c)
    }
  }
  throw new TokenizerError(
    'offsets-unavailable',
    `encode: offsets cannot be computed through the normalizer ${JSON.stringify(normalizer.type)}; encode without them.`,
  )
}
