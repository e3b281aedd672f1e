const REPLACEMENT = '\uFFFD'

/**
 * Decodes ids as they come. What `push` returns, joined, and then `end()`, equals decoding all the ids at once; the
 * work of a token does not grow with the text. Text that a later token may still change (an unfinished UTF-8 character)
 * is held back.
 */
export class DecodeStream {
  readonly #decode: (ids: readonly number[]) => string
  /** A short window: tokens already given out, kept as context, then those held back. */
  #window: number[] = []
  /** Tokens of the window that are context. */
  #context = 0
  /** Characters of the window's text already given out. */
  #given = 0

  constructor(decode: (ids: readonly number[]) => string) {
    this.#decode = decode
  }

  /** The text that the id makes certain; may be empty. */
  push(id: number): string {
    this.#window.push(id)
    const text = this.#decode(this.#window)
    const certain = text.length - pending(text)
    const out = text.slice(this.#given, certain)
    if (certain > this.#given) this.#given = certain
    if (certain === text.length) this.#advance()
    return out
  }

  /** What is still held back, at the end of the ids. The stream then starts anew. */
  end(): string {
    const out = this.#decode(this.#window).slice(this.#given)
    this.#window = []
    this.#context = 0
    this.#given = 0
    return out
  }

  /** Drops old context, once the newer tokens show text of their own: a text's first token is decoded differently. */
  #advance(): void {
    const newer = this.#window.slice(this.#context)
    if (this.#context > 0 && this.#decode(newer) !== '') {
      this.#window = newer
      this.#given = this.#decode(newer).length
    }
    this.#context = this.#window.length
  }
}

/** Trailing replacement characters that may stand for the first bytes of one character (three at most). */
function pending(text: string): number {
  let count = 0
  while (count < 3 && text.at(-1 - count) === REPLACEMENT) count++
  return count
}
