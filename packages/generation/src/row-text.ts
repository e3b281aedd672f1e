import type { TextStream } from './options.ts'

/** The text of one row as it grows: what can still become a stop string is held back. */
export class RowText {
  readonly #stream: TextStream
  readonly #stops: readonly string[]
  /** Text not given out yet: the longest end of the row that begins a stop string. */
  #held = ''
  #stopped = false

  constructor(stream: TextStream, stops: readonly string[]) {
    this.#stream = stream
    this.#stops = stops
  }

  /** Whether a stop string was met. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** The text that the id makes certain. */
  push(id: number): string {
    return this.#release(this.#stream.push(id), false)
  }

  /** What is left when the row ends. */
  end(): string {
    return this.#release(this.#stream.end(), true)
  }

  #release(more: string, last: boolean): string {
    if (this.#stopped) return ''
    const text = this.#held + more
    const at = this.#stops.reduce((first, stop) => {
      const index = text.indexOf(stop)
      return index >= 0 && index < first ? index : first
    }, Infinity)
    if (at !== Infinity) {
      this.#stopped = true
      this.#held = ''
      return text.slice(0, at)
    }
    const held = last ? 0 : beginning(text, this.#stops)
    this.#held = text.slice(text.length - held)
    return text.slice(0, text.length - held)
  }
}

/** Length of the longest end of `text` that begins one of the stops. */
function beginning(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}
