import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { callOf } from '@filature/command-line'
import type { MiniGPT4 } from '@filature/minigpt4'
import { json, shown } from '../run/folder.ts'
import { say } from '../run/train.ts'
import type { Drawings, Emoji } from './emoji.ts'
import type { CaptionConfig } from './recipe.ts'
import { answersOf, nearestEmoji, type Score, scoreOf } from './score.ts'

/** Names and kinds of one set of drawings, by the model or by the baseline. */
export interface TestScore extends Score {
  /** Part of the kinds that are right to the letter. */
  readonly kind: number
}

export interface TestRow {
  readonly set: string
  readonly count: number
  readonly model: TestScore
  readonly nearest: TestScore
  /** Of the first, the middle one and so on. */
  readonly examples: readonly { readonly name: string; readonly said: string; readonly nearest: string }[]
}

const EXAMPLES = 6

/** The model's answers and the nearest learned drawing's, on each set. */
export async function testOn(
  model: MiniGPT4,
  config: CaptionConfig,
  learned: Drawings,
  sets: Readonly<Record<string, Drawings>>,
): Promise<TestRow[]> {
  const rows: TestRow[] = []
  for (const [set, drawings] of Object.entries(sets)) {
    const { emoji } = drawings
    const names = await answersOf(model, config.prompt, drawings)
    const kinds = await answersOf(model, config.kind_prompt, drawings)
    const nearest = drawings === learned ? emoji : nearestEmoji(learned, drawings)
    const step = Math.max(1, Math.floor(emoji.length / EXAMPLES))
    rows.push({
      set,
      count: emoji.length,
      model: score(emoji, names, kinds),
      nearest: score(
        emoji,
        nearest.map(({ name }) => name),
        nearest.map(({ kind }) => kind),
      ),
      examples: Array.from({ length: Math.min(EXAMPLES, emoji.length) }, (_, n) => {
        const i = Math.floor(step / 2) + n * step
        return { name: emoji[i]!.name, said: names[i]!, nearest: nearest[i]!.name }
      }),
    })
  }
  return rows
}

function score(emoji: readonly Emoji[], names: readonly string[], kinds: readonly string[]): TestScore {
  const named = scoreOf(
    names,
    emoji.map(({ name }) => name),
  )
  const { exact: kind } = scoreOf(
    kinds,
    emoji.map(({ kind }) => kind),
  )
  return { ...named, kind }
}

/** Says the scores and examples, and leaves them as test.json. */
export async function report(rows: readonly TestRow[], folder: string): Promise<void> {
  for (const { set, examples } of rows) {
    say(`\n${set}, for example:`)
    for (const { name, said, nearest } of examples) say(`  ${name}: "${said}"; its nearest: "${nearest}"`)
  }
  const width = Math.max(...rows.map(({ set, count }) => `${set} (${count})`.length))
  const columns = (cells: readonly string[], size: number) => cells.map((cell) => cell.padStart(size)).join('')
  say(`\n${' '.repeat(width)}${columns(['F1 of words', 'exact names', 'exact kinds'], 20)}`)
  say(`${' '.repeat(width)}${columns(Array(3).fill(['model', 'nearest']).flat(), 10)}`)
  for (const { set, count, model, nearest } of rows) {
    const numbers = (['wordF1', 'exact', 'kind'] as const).flatMap((what) => [model[what], nearest[what]])
    const cells = numbers.map((part) => `${(100 * part).toFixed(1)} %`)
    say(`${`${set} (${count})`.padEnd(width)}${columns(cells, 10)}`)
  }
  await writeFile(join(folder, 'test.json'), json(rows))
  say(`\nDescribe a picture with it:  ${callOf('infer')} describe IMAGE --model ${shown(join(folder, 'model'))}`)
}
