import { BaseTokenizer, type Content } from './base.ts'
import { TokenizerError } from './errors.ts'
import { BARE } from './template.ts'
import type { SpecialIds } from './tokenizer.ts'

/** What `CharTokenizer` is saved as. */
export interface CharTokenizerJson {
  readonly type: 'characters'
  readonly characters: readonly string[]
  readonly unknown?: string
}

/** One token for each Unicode character, in the order of code points. */
export class CharTokenizer extends BaseTokenizer {
  readonly special: SpecialIds
  readonly specialIds: ReadonlySet<number> = new Set()
  readonly template = BARE
  readonly characters: readonly string[]
  readonly #ids: ReadonlyMap<string, number>

  /**
   * @param characters The vocabulary; the place of a character is its id.
   * @param unknown The character that stands for those outside the vocabulary; left out, they are refused.
   */
  constructor(characters: readonly string[], unknown?: string) {
    super()
    this.characters = [...characters]
    this.#ids = new Map(characters.map((character, id) => [character, id]))
    const wrong = characters.find((character) => [...character].length !== 1)
    if (wrong !== undefined || this.#ids.size !== characters.length) {
      throw new TokenizerError(
        'malformed-vocabulary',
        `CharTokenizer: wanted different single characters, got ${wrong === undefined ? 'one twice' : JSON.stringify(wrong)}.`,
      )
    }
    if (unknown !== undefined && !this.#ids.has(unknown)) {
      throw new TokenizerError(
        'malformed-vocabulary',
        `CharTokenizer: unknown ${JSON.stringify(unknown)} is not in the vocabulary.`,
      )
    }
    this.special = unknown === undefined ? {} : { unk: this.#ids.get(unknown)! }
  }

  /** The characters of a text, sorted by code point. */
  static fromText(text: string, unknown?: string): CharTokenizer {
    const characters = new Set(text)
    if (unknown !== undefined) characters.add(unknown)
    return new CharTokenizer(
      [...characters].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!),
      unknown,
    )
  }

  static fromJSON(json: CharTokenizerJson): CharTokenizer {
    if (json?.type !== 'characters' || !Array.isArray(json.characters)) {
      throw new TokenizerError(
        'malformed-tokenizer',
        `CharTokenizer: wanted { type: 'characters', characters }, got ${json?.type}.`,
      )
    }
    return new CharTokenizer(json.characters, json.unknown)
  }

  toJSON(): CharTokenizerJson {
    const json = { type: 'characters' as const, characters: this.characters }
    return this.special.unk === undefined ? json : { ...json, unknown: this.characters[this.special.unk]! }
  }

  get vocabSize(): number {
    return this.characters.length
  }

  idToToken(id: number): string | undefined {
    return this.characters[id]
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token)
  }

  protected content(text: string, _parseSpecialTokens: boolean, offsets: boolean): Content {
    const ids: number[] = []
    const places: [number, number][] = []
    let at = 0
    for (const character of text) {
      const id = this.#ids.get(character) ?? this.special.unk
      if (id === undefined) {
        throw new TokenizerError(
          'unknown-text',
          `encode: the character ${JSON.stringify(character)} at ${at} is not among the ${this.vocabSize} of the vocabulary; ` +
            'make the tokenizer with an unknown character to let it pass.',
        )
      }
      ids.push(id)
      if (offsets) places.push([at, at + character.length])
      at += character.length
    }
    return { ids, offsets: offsets ? places : undefined }
  }

  protected text(ids: readonly number[]): string {
    return ids.map((id) => this.characters[id]).join('')
  }
}
