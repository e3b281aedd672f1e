import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { openCheckpoint } from '@filature/checkpoint'
import { activate, type BackendOptions, describeBackend } from '@filature/command-line'
import { ConfigError, Rng } from '@filature/tensor'
import { stopOnInterrupt } from '@filature/train/node'
import { bertConfig } from '@filature/transformer'
import { brownFolder, kindNames, readBrown, splitSamples } from '../bert/brown.ts'
import { openWords } from '../bert/words.ts'
import { json, shown } from '../run/folder.ts'
import { say } from '../run/train.ts'
import { fineTune } from './fine-tune.ts'
import { balanced, type Passage, passagesOf } from './passages.ts'

export interface ClassifyOptions extends BackendOptions {
  from: string
  data?: string
  labels: number[]
  steps: number
  batch: number
  lr: number
  test: number
  repeats: number
  seed: number
}

export interface ClassifyRow {
  readonly labels: number
  /** Part of the test passages that are named right, over the repeats. */
  readonly pretrained: Share
  readonly scratch: Share
}

export interface Classification {
  readonly reason: 'finished' | 'stopped'
  readonly rows: readonly ClassifyRow[]
}

interface Share {
  readonly mean: number
  /** Standard deviation; 0 of a single training. */
  readonly deviation: number
}

function shareOf(parts: readonly number[]): Share {
  const mean = parts.reduce((sum, part) => sum + part, 0) / parts.length
  const squares = parts.reduce((sum, part) => sum + (part - mean) ** 2, 0)
  return { mean, deviation: Math.sqrt(squares / Math.max(1, parts.length - 1)) }
}

/** `filature-train classify`: what pretraining is worth, at several numbers of labels. */
export async function classify(options: ClassifyOptions): Promise<Classification> {
  const folder = resolve(options.from)
  const read = async (name: string) => {
    try {
      return JSON.parse(await readFile(join(folder, name), 'utf8'))
    } catch (error) {
      throw new ConfigError(
        'classify-from',
        `--from ${options.from}: ${name} cannot be read (${(error as Error).message}).`,
      )
    }
  }
  const [config, tokenizer] = [bertConfig(await read('config.json')), openWords(await read('tokenizer.json'))]
  const length = config.max_position_embeddings ?? 512
  const { train, heldOut } = splitSamples(await readBrown(brownFolder(options.data)))
  const passages = passagesOf(tokenizer, train, length)
  const rng = new Rng(options.seed)
  const test = balanced(passagesOf(tokenizer, heldOut, length), options.test, rng.fork('test'))
  const backend = await activate(options)
  say(`Backend    ${describeBackend(backend)}`)
  say(
    `Task       name the kind of prose (${kindNames.join(', ')}) of passages of ${length} tokens; ${test.length} to test`,
  )
  const most = Math.max(...kindNames.map((_, kind) => test.filter((passage) => passage.kind === kind).length))
  say(`By chance  ${((100 * most) / test.length).toFixed(1)} %\n`)
  const { steps, batch, lr, seed, repeats } = options
  const cell = ({ mean, deviation }: Share) =>
    `${(100 * mean).toFixed(1)} %${repeats > 1 ? ` ± ${(100 * deviation).toFixed(1)}` : ''}`.padStart(15)
  say(`labels${'pretrained'.padStart(15)}${'from scratch'.padStart(15)}`)
  await using weights = await openCheckpoint(join(folder, 'model.safetensors'))
  using interrupt = stopOnInterrupt(() => say('\nStopping; the rows so far stand.'))
  const { signal } = interrupt
  const rows: ClassifyRow[] = []
  for (const labels of options.labels) {
    const pretrained: number[] = []
    const scratch: number[] = []
    let chosen: Passage[] = []
    for (let repeat = 0; repeat < repeats && !signal.aborted; repeat++) {
      // other passages each time, and other new weights
      chosen = balanced(passages, labels, rng.fork('labels').fork(labels).fork(repeat))
      const task = { config, train: chosen, test, length, steps, batch, lr, seed: seed + repeat, signal }
      pretrained.push(await fineTune({ ...task, from: weights }))
      scratch.push(await fineTune({ ...task, from: undefined }))
    }
    if (signal.aborted) break
    const row = { labels: chosen.length, pretrained: shareOf(pretrained), scratch: shareOf(scratch) }
    rows.push(row)
    say(`${String(row.labels).padStart(6)}${cell(row.pretrained)}${cell(row.scratch)}`)
  }
  const report = join(folder, 'classify.json')
  await writeFile(report, json({ kinds: kindNames, tested: test.length, repeats, rows }))
  say(`\nSaved as ${shown(report)}.`)
  return { reason: signal.aborted ? 'stopped' : 'finished', rows }
}
