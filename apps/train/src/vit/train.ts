import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { activate, type BackendOptions, describeBackend } from '@filature/command-line'
import { parameterCount } from '@filature/tensor'
import type { RunResult } from '@filature/train'
import { json, newRunFolder, refuseWithResume, said, shown, storedRun } from '../run/folder.ts'
import { stepsWithin } from '../run/recipe.ts'
import { say, train } from '../run/train.ts'
import { drawConfusion, printConfusion } from './confusion.ts'
import { type Evaluation, evaluateVit } from './evaluate.ts'
import { classNames, dataFolder, readLabelled, slice } from './idx.ts'
import { startVit, usualShape, type VitSettings, type VitShape, vitConfig } from './recipe.ts'

/** The command line's options, as commander gives them. */
export interface VitOptions extends BackendOptions, Partial<VitShape> {
  data?: string
  out?: string
  resume?: string
  epochs?: number
  minutes?: number
  steps?: number
  seed?: number
  validation?: number
  evaluateEvery?: number
  saveEvery?: number
}

export interface VitResult extends RunResult {
  readonly folder: string
  /** On the test images; absent when the run was stopped. */
  readonly test?: Evaluation
}

const EPOCHS = 10

/** `filature-train vit`: trains a ViT on Fashion-MNIST, from the beginning or from a checkpoint. */
export async function trainVit(options: VitOptions): Promise<VitResult> {
  if (options.resume !== undefined) refuseWithResume(options, ['data'])
  const stored = options.resume === undefined ? undefined : await storedRun<VitSettings>(options.resume, 'vit')
  const data = stored && options.data === undefined ? stored.settings.data : dataFolder(options.data)
  const [all, test] = [await readLabelled(data, 'train'), await readLabelled(data, 't10k')]
  const backend = await activate(options)

  const validation = stored?.settings.validation ?? options.validation ?? Math.floor(all.count / 12)
  const images = slice(all, 0, all.count - validation)
  const heldOut = slice(all, all.count - validation, all.count)
  let settings: VitSettings
  if (stored) settings = { ...stored.settings, data, steps: options.steps ?? stored.settings.steps }
  else {
    const shape = { ...usualShape, ...said<Partial<VitShape>>(options, Object.keys(usualShape) as (keyof VitShape)[]) }
    const perEpoch = Math.max(1, Math.floor(images.count / shape.batch))
    const base = { command: 'vit' as const, data, validation, seed: options.seed ?? 1, ...shape }
    const steps = options.steps ?? (await planned(options, perEpoch, (it) => startVit({ ...base, ...it }, images)))
    const every = Math.min(perEpoch, Math.ceil(steps / 2))
    settings = { ...base, steps, evaluateEvery: options.evaluateEvery ?? every, saveEvery: options.saveEvery ?? every }
  }
  const folder = options.resume ?? (await newRunFolder(options.out, 'fashion-mnist'))

  using recipe = startVit(settings, images)
  const { patch, dim, depth, heads, batch, lr } = settings
  say(`Backend    ${describeBackend(backend)}`)
  say(`Data       ${data} (${images.count} images to learn from, ${heldOut.count} held out, ${test.count} to test)`)
  say(
    `Model      ViT, ${depth} blocks of width ${dim}, ${heads} heads, patches of ${patch}x${patch}, ` +
      `${parameterCount(recipe.model)} parameters; AdamW, learning rate ${lr}; ${settings.steps} steps of ${batch} images`,
  )
  say(`Saves to   ${shown(folder)}`)
  const config = { model_type: 'vit_pytorch', ...vitConfig(settings, all), labels: classNames }
  const result = await train({
    folder,
    settings,
    recipe,
    resume: stored !== undefined,
    files: { 'config.json': json(config) },
    ...(heldOut.count ? { evaluate: () => measure(recipe.model, heldOut) } : {}),
  })
  if (result.reason === 'stopped') return { ...result, folder }
  const evaluation = await evaluateVit(recipe.model, test)
  await report(evaluation, folder, test.count)
  return { ...result, folder, test: evaluation }
}

/** Steps of `--epochs` or `--minutes`. */
async function planned(
  { epochs, minutes }: VitOptions,
  perEpoch: number,
  start: (plan: Pick<VitSettings, 'steps' | 'evaluateEvery' | 'saveEvery'>) => ReturnType<typeof startVit>,
): Promise<number> {
  if (minutes === undefined) return Math.max(1, Math.round((epochs ?? EPOCHS) * perEpoch))
  say(`Measuring this machine to plan ${minutes} minute${minutes === 1 ? '' : 's'} of training ...`)
  return await stepsWithin(60 * minutes, () => start({ steps: 1000, evaluateEvery: 1, saveEvery: 1 }))
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
