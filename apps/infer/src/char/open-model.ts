import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { load, openCheckpoint } from '@filature/checkpoint'
import { callOf } from '@filature/command-line'
import { type CharConfig, type CharModel, type CharVocabulary, describeCharModel } from '@filature/recurrent'
import { CheckpointError } from '@filature/tensor'
import { bestCheckpoint, newestCheckpoint } from '@filature/train/node'

/** A character model with its weights, from a folder of checkpoints (its best one) or from one checkpoint. */
export async function openCharModel(
  folder: string,
): Promise<{ model: CharModel; vocabulary: CharVocabulary; where: string }> {
  const where = (await isCheckpoint(folder)) ? folder : await bestCheckpoint(folder)
  const file = join(where, 'config.json')
  let config: CharConfig
  try {
    config = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new CheckpointError('char-config', `${file}: it cannot be read (${(error as Error).message}).`)
  }
  const { model, vocabulary } = describeCharModel(config)
  await using weights = await openCheckpoint(join(where, 'model.safetensors'))
  await load(model, weights)
  return { model, vocabulary, where }
}

const isCheckpoint = async (folder: string) =>
  await stat(join(folder, 'model.safetensors')).then(
    () => true,
    () => false,
  )

/** The character run in runs/ that was trained last; others may lie beside it. */
export async function newestRun(): Promise<string> {
  const parent = resolve('runs')
  const entries = await readdir(parent).catch(() => [])
  const runs: { folder: string; at: number }[] = []
  for (const folder of entries.map((entry) => join(parent, entry))) {
    if (await holdsCharModel(folder)) runs.push({ folder, at: (await stat(folder)).mtimeMs })
  }
  const newest = runs.sort((a, b) => b.at - a.at)[0]
  if (newest) return newest.folder
  throw new CheckpointError(
    'no-run',
    `--model: there is no character model in ${parent} yet; train one with \`${callOf('train')} char\`, or name a folder.`,
  )
}

async function holdsCharModel(run: string): Promise<boolean> {
  try {
    const config = JSON.parse(await readFile(join((await newestCheckpoint(run))!, 'config.json'), 'utf8'))
    return String(config.model_type).startsWith('char_')
  } catch {
    return false // no run, or none that can be read
  }
}
