import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { openCheckpoint } from '@filature/checkpoint'
import { activate, type BackendOptions, callOf, describeBackend } from '@filature/command-line'
import { ConfigError, Rng } from '@filature/tensor'
import { stopOnInterrupt } from '@filature/train/node'
import { bertConfig } from '@filature/transformer'
import { brownFolder, kindNames, readBrown, splitSamples } from '../bert/brown.ts'
import { openWords } from '../bert/words.ts'
import { shown } from '../run/folder.ts'
import { sha256Of } from '../run/same-data.ts'
import { say } from '../run/train.ts'
import { fineTune } from './fine-tune.ts'
import { balanced, passagesOf } from './passages.ts'
import { type ClassifyRow, Report, type Share, shareOf } from './report.ts'

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

export interface Classification {
  readonly reason: 'finished' | 'stopped'
  readonly rows: readonly ClassifyRow[]
}

/** A model's folder, or a run's that has finished: its `model`. */
function folderOf(from: string): string {
  const [folder, inside] = [resolve(from), resolve(from, 'model')]
  return existsSync(join(folder, 'config.json')) || !existsSync(inside) ? folder : inside
}

/** `filature-train classify`: what pretraining is worth, at several numbers of labels. */
export async function classify(options: ClassifyOptions): Promise<Classification> {
  const folder = folderOf(options.from)
  const read = async (name: string) => {
    try {
      return JSON.parse(await readFile(join(folder, name), 'utf8'))
    } catch (error) {
      throw new ConfigError(
        'classify-from',
        `--from ${options.from}: ${name} cannot be read (${(error as Error).message}); pretrain one with ` +
          `\`${callOf('train')} bert\`.`,
      )
    }
  }
  const [config, tokenizer] = [bertConfig(await read('config.json')), openWords(await read('tokenizer.json'))]
  const length = config.max_position_embeddings ?? 512
  const samples = await readBrown(brownFolder(options.data))
  const { train, heldOut } = splitSamples(samples)
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
  const file = join(folder, 'model.safetensors')
  await using weights = await openCheckpoint(file)
  const report = await Report.open(join(folder, 'classify.json'), {
    kinds: [...kindNames],
    tested: test.length,
    ...{ repeats, steps, batch, lr, seed },
    weights: sha256Of(await readFile(file)),
    data: sha256Of(JSON.stringify(samples)),
  })
  say(`labels${'pretrained'.padStart(15)}${'from scratch'.padStart(15)}`)
  using interrupt = stopOnInterrupt(() => say('\nStopping; the rows so far stand, and the same command goes on.'))
  const { signal } = interrupt
  const rowOf = async (asked: number): Promise<ClassifyRow | undefined> => {
    const pretrained: number[] = []
    const scratch: number[] = []
    let labels = 0
    for (let repeat = 0; repeat < repeats; repeat++) {
      // other passages each time, and other new weights
      const chosen = balanced(passages, asked, rng.fork('labels').fork(asked).fork(repeat))
      const task = { config, train: chosen, test, length, steps, batch, lr, seed: seed + repeat, signal }
      pretrained.push(await fineTune({ ...task, from: weights }))
      scratch.push(await fineTune({ ...task, from: undefined }))
      if (signal.aborted) return undefined
      labels = chosen.length
    }
    return { asked, labels, pretrained: shareOf(pretrained), scratch: shareOf(scratch) }
  }
  const rows: ClassifyRow[] = []
  for (const asked of options.labels) {
    const known = report.rows.find((row) => row.asked === asked)
    const row = known ?? (await rowOf(asked))
    if (!row) break
    if (!known) await report.add(row)
    rows.push(row)
    say(lineOf(row, repeats))
  }
  if (rows.length) say(`\nSaved as ${shown(report.path)}.`)
  return { reason: rows.length < options.labels.length ? 'stopped' : 'finished', rows }
}

function lineOf({ labels, pretrained, scratch }: ClassifyRow, repeats: number): string {
  const cell = ({ mean, deviation }: Share) =>
    `${(100 * mean).toFixed(1)} %${repeats > 1 ? ` ± ${(100 * deviation).toFixed(1)}` : ''}`.padStart(15)
  return `${String(labels).padStart(6)}${cell(pretrained)}${cell(scratch)}`
}
