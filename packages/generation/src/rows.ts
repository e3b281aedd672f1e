/** Rows of ids that grow together, (R, L) in room for `maxLength`. */
export class Rows {
  readonly maxLength: number
  readonly promptLength: number
  #ids: Int32Array[]
  length: number

  /** @param begin (R, P), flat */
  constructor(begin: Int32Array, rows: number, maxLength: number) {
    this.promptLength = begin.length / rows
    this.length = this.promptLength
    this.maxLength = maxLength
    this.#ids = Array.from({ length: rows }, (_, row) => {
      const ids = new Int32Array(maxLength)
      ids.set(begin.subarray(row * this.length, (row + 1) * this.length))
      return ids
    })
  }

  get count(): number {
    return this.#ids.length
  }

  /** The tokens of one row so far; a view. */
  row(index: number): Int32Array {
    return this.#ids[index]!.subarray(0, this.length)
  }

  /** One more token in each row. */
  append(tokens: Int32Array): void {
    for (const [row, ids] of this.#ids.entries()) ids[this.length] = tokens[row]!
    this.length++
  }

  /** The first position at which one of the rows differs from the row that is to take its place. */
  divergence(rows: Int32Array): number {
    if (rows.length !== this.count) return 0
    let from = this.length
    rows.forEach((row, place) => {
      const [old, next] = [this.#ids[place]!, this.#ids[row]!]
      for (let i = 0; i < from; i++) if (old[i] !== next[i]) from = i
    })
    return from
  }

  /** Goes on with these rows, in this order. */
  reorder(rows: Int32Array): void {
    this.#ids = Array.from(rows, (row) => this.#ids[row]!.slice())
  }

  /** (R, L), flat. */
  flat(): Int32Array {
    const out = new Int32Array(this.count * this.length)
    for (let row = 0; row < this.count; row++) out.set(this.row(row), row * this.length)
    return out
  }
}
