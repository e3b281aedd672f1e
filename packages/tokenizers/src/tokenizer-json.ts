import { TokenizerError } from './errors.ts'

// biome-ignore lint/suspicious/noExplicitAny: sections of a json file, each checked where it is used
type Section = any

/** A Hugging Face tokenizer.json. Sections that a file may leave out are null. */
export interface TokenizerJson {
  readonly version?: string
  readonly truncation?: Section
  readonly padding?: Section
  readonly added_tokens?: readonly AddedToken[]
  readonly normalizer?: Section
  readonly pre_tokenizer?: Section
  readonly post_processor?: Section
  readonly decoder?: Section
  readonly model: Section
}

export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly single_word?: boolean
  readonly lstrip?: boolean
  readonly rstrip?: boolean
  readonly normalized?: boolean
  readonly special?: boolean
}

const refuse = (code: string, message: string): never => {
  throw new TokenizerError(code, `tokenizer.json: ${message}`)
}

/**
 * Checks the file and writes the steps whose meaning in `@huggingface/tokenizers` 0.2.0 differs from the format's
 * (the Rust library's) as steps that mean the same in both. A step that neither can express is refused by name.
 */
export function conform(json: TokenizerJson): TokenizerJson {
  const model = json?.model
  if (!model || typeof model !== 'object')
    refuse('malformed-tokenizer', 'wanted an object with a `model`; is the file whole?')
  const type = model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : model.merges ? 'BPE' : 'WordPiece')
  if (!['BPE', 'WordPiece', 'Unigram'].includes(type)) {
    refuse(
      'unsupported-model',
      `model type ${JSON.stringify(type)} is not supported; wanted BPE, WordPiece or Unigram.`,
    )
  }
  if (model.dropout)
    refuse('unsupported-model', `model.dropout ${model.dropout} would make encoding random; set it to null.`)
  if (type === 'Unigram' && model.byte_fallback) {
    refuse(
      'unsupported-model',
      'Unigram with byte_fallback is supported from the SentencePiece file (tokenizer.model) only.',
    )
  }
  checkVocabulary(type, model)
  return {
    ...json,
    added_tokens: json.added_tokens ?? [],
    normalizer: json.normalizer ? normalizer(json.normalizer) : null,
    pre_tokenizer: json.pre_tokenizer ? preTokenizer(json.pre_tokenizer) : null,
    post_processor: json.post_processor ?? null,
    decoder: json.decoder ? decoder(json.decoder) : null,
    model: { ...model, type },
  }
}

function checkVocabulary(type: string, { vocab, merges, unk_id }: Section): void {
  if (type === 'Unigram') {
    if (!Array.isArray(vocab) || vocab.length === 0)
      refuse('malformed-tokenizer', 'wanted model.vocab as a list of [piece, score].')
    if (unk_id != null && !(unk_id >= 0 && unk_id < vocab.length))
      refuse('malformed-tokenizer', `model.unk_id ${unk_id} is no piece.`)
    return
  }
  if (!vocab || typeof vocab !== 'object' || Array.isArray(vocab)) {
    refuse('malformed-tokenizer', 'wanted model.vocab as an object of token: id.')
  }
  const ids = Object.values(vocab)
  if (!ids.every((id) => Number.isInteger(id) && (id as number) >= 0))
    refuse('malformed-tokenizer', 'an id in model.vocab is no whole number.')
  if (new Set(ids).size !== ids.length) refuse('malformed-tokenizer', 'two tokens of model.vocab have the same id.')
  if (type === 'BPE' && !Array.isArray(merges)) refuse('malformed-tokenizer', 'wanted model.merges as a list.')
}

function normalizer(step: Section): Section {
  if (step.type === 'Sequence') return { ...step, normalizers: step.normalizers.map(normalizer) }
  return step.type === 'Replace' ? replacing(step) : step
}

function replacing(step: Section): Section {
  if (step.pattern?.String !== undefined || step.pattern?.Regex !== undefined) return step
  return refuse('malformed-tokenizer', 'a Replace step has no pattern.')
}

const PUNCTUATION = '[\\p{P}!-/:-@\\[-`{-~]'

function preTokenizer(step: Section): Section {
  switch (step.type) {
    case 'Sequence':
      return { ...step, pretokenizers: step.pretokenizers.map(preTokenizer) }
    case 'Replace':
      return replacing(step)
    case 'Whitespace': // there: ASCII letters only
      return matches('\\w+|[^\\w\\s]+')
    case 'WhitespaceSplit': // there: U+FEFF is a space, U+0085 none
      return matches('[^\\p{White_Space}]+')
    case 'Punctuation': // there: runs of punctuation
      return split(PUNCTUATION, step.behavior ?? 'Isolated', false)
    case 'Digits': // there: ASCII digits
      return split('\\p{N}', step.individual_digits ? 'Isolated' : 'Contiguous', false)
    case 'CharDelimiterSplit':
      return split(literal(step.delimiter), 'Removed', false)
    case 'Split':
      return split(
        step.pattern?.Regex ?? literal(step.pattern?.String ?? ''),
        step.behavior ?? 'Isolated',
        step.invert ?? false,
      )
    case 'Metaspace': {
      const mark = step.replacement ?? '▁'
      const prepend_scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? 'never' : 'always')
      const metaspace = { ...step, prepend_scheme }
      if (step.split === false) return metaspace
      const word = literal(mark)
      return { type: 'Sequence', pretokenizers: [metaspace, matches(`${word}[^${word}]*|[^${word}]+`)] }
    }
    default:
      return step
  }
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
const matches = (regex: string): Section => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Removed',
  invert: true,
})

/** A Split step as one of the two kinds that the library knows: keep only the matches, or isolate or remove them. */
function split(regex: string, behavior: string, invert: boolean): Section {
  if (regex === '') return refuse('malformed-tokenizer', 'a Split step has no pattern.')
  const other = `(?:(?!${regex})[\\s\\S])`
  if (invert) {
    if (behavior === 'Removed') return matches(regex)
    if (behavior !== 'Isolated')
      return refuse('unsupported-pre-tokenizer', `Split with invert and behavior ${behavior} is not supported.`)
  }
  switch (behavior) {
    case 'Removed':
      return matches(`${other}+`)
    case 'Isolated':
      return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }
    case 'Contiguous':
      return { type: 'Split', pattern: { Regex: `(?:${regex})+` }, behavior: 'Isolated', invert: false }
    case 'MergedWithPrevious':
      return matches(`${other}*(?:${regex})|${other}+`)
    case 'MergedWithNext':
      return matches(`(?:${regex})${other}*|${other}+`)
    default:
      return refuse('unsupported-pre-tokenizer', `Split behavior ${JSON.stringify(behavior)} is not supported.`)
  }
}

function decoder(step: Section): Section {
  if (step.type === 'Sequence') return { ...step, decoders: step.decoders.map(decoder) }
  const scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? 'never' : 'always')
  if (step.type === 'Metaspace' && scheme === 'never') {
    // there: the first space is always removed
    return { type: 'Replace', pattern: { String: step.replacement ?? '▁' }, content: ' ' }
  }
  return step
}
