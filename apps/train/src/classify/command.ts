import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { openCheckpoint } from '@filature/checkpoint'
import {
  activate,
  type BackendOptions,
  describeBackend,
  numberWithin,
  wholeNumber,
  withBackend,
} from '@filature/command-line'
import { ConfigError, Rng } from '@filature/tensor'
import { stopOnInterrupt } from '@filature/train/node'
import { bertConfig } from '@filature/transformer'
import { Command } from 'commander'
import { brownFolder, kindNames, readBrown, splitSamples } from '../bert/brown.ts'
import { openWords } from '../bert/words.ts'
import { json, shown } from '../run/folder.ts'
import { say } from '../run/train.ts'
import { fineTune } from './fine-tune.ts'
import { balanced, passagesOf } from './passages.ts'

export interface ClassifyOptions extends BackendOptions {
  from: string
  data?: string
  labels: number[]
  steps: number
  batch: number
  lr: number
  test: number
  seed: number
}

export interface ClassifyRow {
  readonly labels: number
  /** Part of the test passages that are named right. */
  readonly pretrained: number
  readonly scratch: number
}

/** `filature-train classify`: what pretraining is worth, at several numbers of labels. */
export async function classify(options: ClassifyOptions): Promise<ClassifyRow[]> {
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
  say('labels   pretrained   from scratch')
  await using weights = await openCheckpoint(join(folder, 'model.safetensors'))
  using interrupt = stopOnInterrupt(() => say('\nStopping; the rows so far stand.'))
  const rows: ClassifyRow[] = []
  for (const labels of options.labels) {
    const chosen = balanced(passages, labels, rng.fork('labels').fork(labels))
    const { steps, batch, lr, seed } = options
    const run = (from: typeof weights | undefined) =>
      fineTune({ config, from, train: chosen, test, length, steps, batch, lr, seed, signal: interrupt.signal })
    const row = { labels: chosen.length, pretrained: await run(weights), scratch: await run(undefined) }
    if (interrupt.signal.aborted) break
    rows.push(row)
    const percent = (part: number) => `${(100 * part).toFixed(1)} %`.padStart(10)
    say(`${String(row.labels).padStart(6)}   ${percent(row.pretrained)}   ${percent(row.scratch).padStart(12)}`)
  }
  const report = join(folder, 'classify.json')
  await writeFile(report, json({ kinds: kindNames, tested: test.length, rows }))
  say(`\nSaved as ${shown(report)}.`)
  return rows
}

const list = (text: string): number[] => text.split(',').map((part) => wholeNumber(kindNames.length)(part))

/** `filature-train classify` */
export function classifyCommand(): Command {
  const command = new Command('classify')
    .description('Fine-tune a pretrained BERT to tell kinds of prose apart, beside the same model from scratch.')
    .requiredOption('--from <dir>', 'folder of a pretrained BERT, as `filature-train bert` leaves it (.../model)')
    .option('--data <dir>', 'folder of the Brown corpus (default: where the fetch script puts it)')
    .option('--labels <numbers>', 'numbers of labelled passages to learn from', list, [64, 256, 1024])
    .option('--steps <n>', 'steps of each training', wholeNumber(1), 200)
    .option('--batch <n>', 'passages of a step', wholeNumber(1), 32)
    .option('--lr <rate>', 'highest learning rate', numberWithin(0, Number.POSITIVE_INFINITY), 5e-4)
    .option('--test <n>', 'passages to test on', wholeNumber(kindNames.length), 800)
    .option('--seed <n>', 'of the new weights, the choice and the order', wholeNumber(0), 1)
  return withBackend(command).action(async (options) => void (await classify(options)))
}
