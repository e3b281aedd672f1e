import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, parameterCount } from '@filature/tensor'
import type { RunResult } from '@filature/train'
import { begin } from '../run/begin.ts'
import { carryOut } from '../run/carry-out.ts'
import { json, shown } from '../run/folder.ts'
import type { RunOptions } from '../run/options.ts'
import { requireSame, sha256Of } from '../run/same-data.ts'
import { requireBatch, requireDivides } from '../run/shape-rules.ts'
import { say } from '../run/train.ts'
import { drawConfusion, printConfusion } from './confusion.ts'
import { type Evaluation, evaluateVit } from './evaluate.ts'
import { classNames, dataFolder, readLabelled, slice } from './idx.ts'
import { startVit, usualShape, type VitSettings, type VitShape, vitConfig } from './recipe.ts'

/** The command line's options, as commander gives them. */
export interface VitOptions extends RunOptions, Partial<VitShape> {
  data?: string
  validation?: number
}

export interface VitResult extends RunResult {
  readonly folder: string
  /** On the test images; absent when the run was stopped. */
  readonly test?: Evaluation
}

/** How long a run is when nothing is said. */
export const EPOCHS = 10

/** `filature-train vit`: trains a ViT on Fashion-MNIST, from the beginning or from a checkpoint. */
export async function trainVit(options: VitOptions): Promise<VitResult> {
  const begun = await begin<VitSettings>('vit', options, ['data'])
  const shape = begun.shape(usualShape, options)
  requireDivides(shape, 'heads', 'dim')
  const data = begun.stored && options.data === undefined ? begun.stored.data : dataFolder(options.data)
  const [all, test] = [await readLabelled(data, 'train'), await readLabelled(data, 't10k')]
  const sha256 = sha256Of(all.pixels, all.labels)
  requireSame(begun, sha256, { where: data, flag: 'data' })
  const validation = begun.stored?.validation ?? options.validation ?? Math.floor(all.count / 12)
  if (validation >= all.count) {
    throw new ConfigError(
      'vit-validation',
      `--validation ${validation}: there are ${all.count} training images; hold fewer out.`,
    )
  }
  const images = slice(all, 0, all.count - validation)
  const heldOut = slice(all, all.count - validation, all.count)
  requireBatch(shape.batch, images.count, 'images')
  const perEpoch = Math.floor(images.count / shape.batch)
  const config = { model_type: 'vit_pytorch', ...vitConfig(shape, all), labels: classNames }

  return await carryOut(begun, {
    name: 'fashion-mnist',
    own: { ...shape, data, sha256, validation },
    usual: { steps: Math.max(1, Math.round((options.epochs ?? EPOCHS) * perEpoch)) },
    every: (steps) => Math.min(perEpoch, Math.ceil(steps / 2)),
    start: (settings: VitSettings) => startVit(settings, images),
    describe: ({ model }, { patch, dim, depth, heads, batch, lr, steps }) => ({
      Data: `${data} (${images.count} images to learn from, ${heldOut.count} held out, ${test.count} to test)`,
      Model:
        `ViT, ${depth} blocks of width ${dim}, ${heads} heads, patches of ${patch}x${patch}, ` +
        `${parameterCount(model)} parameters; AdamW, learning rate ${lr}; ${steps} steps of ${batch} images`,
    }),
    files: { 'config.json': json(config) },
    evaluate: heldOut.count ? ({ model }) => measure(model, heldOut) : undefined,
    heldOutInWords: ({ loss, accuracy }) => `${(100 * accuracy!).toFixed(2)} % named right, loss ${loss.toFixed(3)}`,
    async finish({ model }, { folder }) {
      const evaluation = await evaluateVit(model, test)
      await report(evaluation, folder, test.count)
      return { test: evaluation }
    },
  })
}

async function measure(...args: Parameters<typeof evaluateVit>): Promise<{ loss: number; accuracy: number }> {
  const { loss, accuracy } = await evaluateVit(...args)
  return { loss, accuracy }
}

/** Says the test's numbers and leaves them as test.json and confusion.svg. */
async function report({ loss, accuracy, confusion }: Evaluation, folder: string, count: number): Promise<void> {
  const percent = `${(100 * accuracy).toFixed(2)} %`
  say(`\nOf ${count} test images ${percent} are named right (loss ${loss.toFixed(4)}).\n`)
  say(printConfusion(confusion, classNames))
  const picture = join(folder, 'confusion.svg')
  await writeFile(picture, drawConfusion(confusion, classNames, `${percent} of ${count} test images`))
  await writeFile(join(folder, 'test.json'), json({ count, loss, accuracy, labels: classNames, confusion }))
  say(`\nDrawn in ${shown(picture)}.`)
}
