import { BaseTokenizer, type Content } from './base.ts'
import { TokenizerError } from './errors.ts'
import { contentOf, missingAddedTokens, specialIdsOf, type TokenizerConfig } from './hugging-face-config.ts'
import { LibraryTokenizer } from './library.ts'
import { mendLibrary } from './mend-library.ts'
import { offsetsOf } from './offsets.ts'
import { surround, type Template, templateOf } from './template.ts'
import type { DecodeOptions, SpecialIds } from './tokenizer.ts'
import { type AddedToken, conform, type TokenizerJson } from './tokenizer-json.ts'
import { WordCache } from './word-cache.ts'

/** CJK ideographs outside the basic plane: BERT puts spaces around them, the library does so only inside it. */
const ASTRAL_IDEOGRAPH =
  /[\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B820}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu

const PROBE = 'A b, 1.'

/** Families whose special tokens around a text follow add_bos_token and add_eos_token of the configuration. */
const FOLLOWS_FLAGS = /^(Code)?(Llama|Gemma)Tokenizer/

/** A tokenizer.json of Hugging Face, by the format's JavaScript library. */
export class HuggingFaceTokenizer extends BaseTokenizer {
  readonly vocabSize: number
  readonly special: SpecialIds
  readonly specialIds: ReadonlySet<number>
  readonly template: Template
  override readonly paddingSide: 'left' | 'right'
  override readonly truncationSide: 'left' | 'right'
  /** What the tokenizer was made of, as it can be written to a tokenizer.json. */
  readonly json: TokenizerJson
  readonly #config: TokenizerConfig
  readonly #library: LibraryTokenizer
  /** The same without special tokens, made when text is first read with `parseSpecialTokens: false`. */
  #plain: LibraryTokenizer | undefined
  readonly #padsAstral: boolean
  readonly #cleanUp: boolean

  /**
   * @param json tokenizer.json.
   * @param config tokenizer_config.json.
   * @param specialTokensMap special_tokens_map.json; tokenizer_config.json has precedence.
   */
  constructor(json: TokenizerJson, config: TokenizerConfig = {}, specialTokensMap: TokenizerConfig = {}) {
    super()
    const added = addedTokens(json, config)
    this.json = { ...json, added_tokens: added }
    this.#config = { ...specialTokensMap, ...config }
    this.#library = build(this.json, this.#config, added)
    this.vocabSize = sizeOf(this.json, added)
    this.special = specialIdsOf([config, specialTokensMap, fromModel(this.json)], (token) => this.tokenToId(token))
    this.specialIds = new Set(added.filter(({ special }) => special).map(({ id }) => id))
    const template = orMalformed(() => templateOf(json.post_processor))
    this.template = FOLLOWS_FLAGS.test(config.tokenizer_class ?? '') ? this.#flagged(config, template) : template
    this.paddingSide = config.padding_side ?? json.padding?.direction?.toLowerCase() ?? 'right'
    this.truncationSide = config.truncation_side ?? json.truncation?.direction?.toLowerCase() ?? 'right'
    this.#padsAstral = json.normalizer?.type === 'BertNormalizer' && json.normalizer.handle_chinese_chars !== false
    const { type, cleanup } = json.decoder ?? {}
    this.#cleanUp = config.clean_up_tokenization_spaces ?? (type === 'WordPiece' && cleanup !== false)
  }

  idToToken(id: number): string | undefined {
    return this.#library.id_to_token(id)
  }

  tokenToId(token: string): number | undefined {
    return this.#library.token_to_id(token)
  }

  protected content(text: string, parseSpecialTokens: boolean, offsets: boolean): Content {
    const library = parseSpecialTokens ? this.#library : this.#withoutSpecial()
    const prepared = this.#padsAstral ? text.replace(ASTRAL_IDEOGRAPH, ' $& ') : text
    const { ids, tokens } = library.encode(prepared, { add_special_tokens: false })
    const unknown = (ids as (number | undefined)[]).indexOf(undefined)
    if (unknown >= 0) {
      throw new TokenizerError(
        'unknown-text',
        `encode: ${JSON.stringify(tokens[unknown])} is not in the vocabulary, which has no unknown token either.`,
      )
    }
    return { ids, offsets: offsets ? offsetsOf(text, tokens, this.json, this.special.unk, ids) : undefined }
  }

  protected text(ids: readonly number[], options: DecodeOptions): string {
    return this.#library.decode([...ids], {
      skip_special_tokens: options.skipSpecialTokens ?? false,
      clean_up_tokenization_spaces: options.cleanUpSpaces ?? this.#cleanUp,
    })
  }

  #withoutSpecial(): LibraryTokenizer {
    this.#plain ??= build(
      this.json,
      this.#config,
      (this.json.added_tokens ?? []).filter(({ special }) => !special),
    )
    return this.#plain
  }

  #flagged({ add_bos_token, add_eos_token }: TokenizerConfig, own: Template): Template {
    if (add_bos_token === undefined && add_eos_token === undefined) return own
    const { bos, eos } = this.special
    return surround((add_bos_token ?? true) ? bos : undefined, add_eos_token ? eos : undefined)
  }
}

function build(json: TokenizerJson, config: TokenizerConfig, added: readonly AddedToken[]): LibraryTokenizer {
  const special = (config.additional_special_tokens ?? []).map(contentOf)
  return orMalformed(() => {
    const library = new LibraryTokenizer(conform({ ...json, added_tokens: added }), {
      ...config,
      additional_special_tokens: special,
    })
    if (library.model.cache) library.model.cache = new WordCache()
    mendLibrary(library, json.model.vocab)
    // a malformed section shows when it is first used
    library.encode(PROBE, { add_special_tokens: false })
    library.decode([0], { skip_special_tokens: false, clean_up_tokenization_spaces: false })
    return library
  })
}

/** What goes wrong while a file is read is the file's fault, and is said so. */
function orMalformed<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof TokenizerError) throw cause
    throw new TokenizerError('unsupported-tokenizer', `tokenizer.json: ${(cause as Error).message}.`, { cause })
  }
}

function addedTokens(json: TokenizerJson, config: TokenizerConfig): AddedToken[] {
  const listed: readonly (AddedToken | undefined)[] = [json?.added_tokens ?? []].flat()
  for (const token of listed) {
    if (typeof token?.content === 'string' && Number.isInteger(token.id) && token.id >= 0) continue
    throw new TokenizerError(
      'malformed-tokenizer',
      `tokenizer.json: wanted added tokens with an id and a content, got ${JSON.stringify(token)}.`,
    )
  }
  const tokens = listed as readonly AddedToken[]
  return [...tokens, ...missingAddedTokens(config, tokens)]
}

function sizeOf({ model }: TokenizerJson, added: readonly AddedToken[]): number {
  let largest = Array.isArray(model.vocab) ? model.vocab.length - 1 : -1
  if (!Array.isArray(model.vocab)) for (const id of Object.values<number>(model.vocab)) largest = Math.max(largest, id)
  for (const { id } of added) largest = Math.max(largest, id)
  return largest + 1
}

/** The unknown token as the model itself names it, for files that come without a configuration. */
function fromModel({ model }: TokenizerJson): TokenizerConfig {
  const unk = model.unk_token ?? (model.unk_id == null ? undefined : model.vocab[model.unk_id]?.[0])
  return unk == null ? {} : { unk_token: unk }
}
