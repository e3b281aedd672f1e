import { ConfigError } from '@filature/tensor'

/** The characters (Unicode code points) of a text, sorted, and their ids. */
export class CharVocabulary {
  readonly characters: readonly string[]
  readonly #ids: ReadonlyMap<string, number>

  constructor(characters: readonly string[]) {
    this.characters = characters
    this.#ids = new Map(characters.map((c, id) => [c, id]))
    if (
      characters.length === 0 ||
      this.#ids.size !== characters.length ||
      characters.some((c) => [...c].length !== 1)
    ) {
      throw new ConfigError(
        'vocabulary',
        `CharVocabulary: wanted different single characters, got ${characters.length} entries, ${this.#ids.size} different.`,
      )
    }
  }

  static of(text: string): CharVocabulary {
    return new CharVocabulary([...new Set(text)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!))
  }

  get size(): number {
    return this.characters.length
  }

  has(character: string): boolean {
    return this.#ids.has(character)
  }

  /** Refuses a text with characters that are not in the vocabulary, naming them. */
  encode(text: string): Int32Array {
    const characters = Array.from(text)
    const unknown = [...new Set(characters)].filter((c) => !this.#ids.has(c))
    if (unknown.length) {
      const named = unknown.slice(0, 20).map((c) => JSON.stringify(c))
      throw new ConfigError(
        'unknown-character',
        `CharVocabulary: the model has never seen ${named.join(' ')}; leave these characters out.`,
      )
    }
    return Int32Array.from(characters, (c) => this.#ids.get(c)!)
  }

  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => this.characters[id] ?? '\uFFFD').join('')
  }
}
