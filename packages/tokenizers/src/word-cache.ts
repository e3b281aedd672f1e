const CAPACITY = 50_000

/**
 * What was made of each word, forgotten all at once when full. The library's own cache moves a word to the end of a Map
 * at every look-up, which costs more than half of encoding a text.
 */
export class WordCache<T> {
  readonly #words = new Map<string, T>()

  get(word: string): T | undefined {
    return this.#words.get(word)
  }

  put(word: string, value: T): void {
    if (this.#words.size >= CAPACITY) this.#words.clear()
    this.#words.set(word, value)
  }

  clear(): void {
    this.#words.clear()
  }
}
