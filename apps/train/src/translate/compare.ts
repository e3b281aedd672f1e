import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { flagOf } from '@filature/command-line'
import { attentionKinds } from '@filature/recurrent'
import { ConfigError } from '@filature/tensor'
import { freeFolder, json, requireNoRun, shown } from '../run/folder.ts'
import { say } from '../run/train.ts'
import { BLEU_SIGNATURE } from './bleu.ts'
import { readCorpus } from './corpus.ts'
import { type TranslateOptions, type TranslateResult, trainTranslate } from './train.ts'

/** Of each contender, when nothing is said. */
export const MINUTES = 3

/** What is compared: a GRU with each attention, and the Transformer with each kind of positions. */
const contenders: readonly Pick<TranslateOptions, 'model' | 'attention' | 'positions'>[] = [
  ...attentionKinds.map((attention) => ({ model: 'gru' as const, attention })),
  ...(['sinusoidal', 'learned'] as const).map((positions) => ({ model: 'transformer' as const, positions })),
]

export interface ComparedRow {
  readonly name: string
  readonly bleu: number
  /** BLEU by the bands of source lengths. */
  readonly byLength: readonly number[]
  readonly loss: number
  readonly parameters: number
  readonly seconds: number
}

const nameOf = ({ model, attention, positions }: Partial<TranslateOptions>) => `${model} ${attention ?? positions}`

export interface Comparison {
  readonly reason: 'finished' | 'stopped'
  /** Those that were trained to their end. */
  readonly rows: readonly ComparedRow[]
}

/** `filature-train translate --compare`: the same pairs, baseline, seed and budget for all; one table. */
export async function compareTranslators(options: TranslateOptions): Promise<Comparison> {
  for (const key of ['resume', 'model', 'attention', 'positions', 'inputFeeding', 'heads', 'embedding'] as const) {
    if (options[key] === undefined) continue
    throw new ConfigError('compare-option', `--compare: it goes through all models; leave ${flagOf(key)} out.`)
  }
  if (options.minutes === undefined && options.steps === undefined) options = { ...options, minutes: MINUTES }
  if (options.out !== undefined) await requireNoRun(options.out)
  const folder = options.out ?? freeFolder('translate-compare')
  let corpus: ReturnType<typeof readCorpus> | undefined
  const read: typeof readCorpus = (...args) => (corpus ??= readCorpus(...args))
  const results: (readonly [name: string, TranslateResult])[] = []
  for (const contender of contenders) {
    const name = nameOf(contender)
    say(`\n== ${name} (${results.length + 1} of ${contenders.length}) ==`)
    const out = join(folder, name.replace(' ', '-'))
    const result = await trainTranslate({ ...options, ...contender, out }, read)
    if (!result.test) break // stopped by Ctrl-C
    results.push([name, result])
  }
  const rows = results.map(([name, result]) => rowOf(name, result))
  const reason = rows.length < contenders.length ? 'stopped' : 'finished'
  const test = results[0]?.[1].test
  if (!test) return { reason, rows }
  // sentences and baseline are the same for all
  const bands = test.byLength.map(({ from, to }) => `${from}-${to}`)
  const baseline = [test.baseline.score, ...test.byLength.map((band) => band.baseline)]
  const table = tableOf(rows, bands, baseline)
  say(`\n${table}`)
  await writeFile(join(folder, 'compare.json'), json({ signature: BLEU_SIGNATURE, bands, baseline, rows }))
  await writeFile(join(folder, 'compare.txt'), `${table}\n`)
  say(`\nSaved in ${shown(folder)}.`)
  return { reason, rows }
}

const rowOf = (name: string, { test, metrics, parameters, seconds }: TranslateResult): ComparedRow => ({
  name,
  bleu: test!.bleu.score,
  byLength: test!.byLength.map(({ bleu }) => bleu),
  loss: metrics?.loss ?? Number.NaN,
  parameters: parameters!,
  seconds,
})

export function tableOf(rows: readonly ComparedRow[], bands: readonly string[], baseline: readonly number[]): string {
  const line = (name: string, cells: readonly string[]) =>
    name.padEnd(24) + cells.map((cell) => cell.padStart(9)).join('')
  const number = (x: number) => x.toFixed(2)
  return [
    `BLEU (${BLEU_SIGNATURE}), over all and by words of the source`,
    line('', ['all', ...bands, 'loss', 'params', 'minutes']),
    ...rows.map(({ name, bleu, byLength, loss, parameters, seconds }) =>
      line(name, [bleu, ...byLength].map(number).concat(loss.toFixed(3), `${parameters}`, (seconds / 60).toFixed(1))),
    ),
    line('word for word', baseline.map(number)),
  ].join('\n')
}
