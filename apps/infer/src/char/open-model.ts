import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { load, openCheckpoint } from '@filature/checkpoint'
import { type CharConfig, type CharModel, type CharVocabulary, describeCharModel } from '@filature/recurrent'
import { CheckpointError } from '@filature/tensor'
import { bestCheckpoint } from '@filature/train/node'

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

/** The run in runs/ that was trained last. */
export async function newestRun(): Promise<string> {
  const parent = resolve('runs')
  const entries = await readdir(parent).catch(() => [])
  const times = await Promise.all(
    entries.map(async (entry) => ({ folder: join(parent, entry), at: (await stat(join(parent, entry))).mtimeMs })),
  )
  const newest = times.sort((a, b) => b.at - a.at)[0]
  if (newest) return newest.folder
  throw new CheckpointError('no-run', `--model: there is no run in ${parent} yet; train one first, or name a folder.`)
}
