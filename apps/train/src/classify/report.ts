import { readFile, writeFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { json } from '../run/folder.ts'

/** Part of the test passages that is named right, over the repeats. */
export interface Share {
  readonly mean: number
  /** Standard deviation; 0 of a single training. */
  readonly deviation: number
}

export function shareOf(parts: readonly number[]): Share {
  const mean = parts.reduce((sum, part) => sum + part, 0) / parts.length
  const squares = parts.reduce((sum, part) => sum + (part - mean) ** 2, 0)
  return { mean, deviation: Math.sqrt(squares / Math.max(1, parts.length - 1)) }
}

export interface ClassifyRow {
  /** Labelled passages asked for, and those that there were. */
  readonly asked: number
  readonly labels: number
  readonly pretrained: Share
  readonly scratch: Share
}

/** classify.json: what was compared, whole, and its rows so far. */
export class Report {
  readonly path: string
  readonly #what: object
  readonly rows: ClassifyRow[]

  private constructor(path: string, what: object, rows: ClassifyRow[]) {
    this.path = path
    this.#what = what
    this.rows = rows
  }

  /** With the rows that are there already, where the file is of the very same comparison: a stopped one goes on. */
  static async open(path: string, what: object): Promise<Report> {
    try {
      const { rows, ...before } = JSON.parse(await readFile(path, 'utf8'))
      if (isDeepStrictEqual(before, what)) return new Report(path, what, rows)
    } catch {
      // none yet, or of something else
    }
    return new Report(path, what, [])
  }

  async add(row: ClassifyRow): Promise<void> {
    this.rows.push(row)
    await writeFile(this.path, json({ ...this.#what, rows: this.rows }))
  }
}
