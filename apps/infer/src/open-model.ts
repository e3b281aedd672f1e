import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openPretrained } from '@filature/checkpoint'
import { CheckpointError, FilatureError } from '@filature/tensor'
import { bestCheckpoint } from '@filature/train/node'

/**
 * Opens a model: the folder that was named, its `model`, the best checkpoint of a run that is not finished, or what the
 * hub has by this id.
 */
export async function openModel(target: string): ReturnType<typeof openPretrained> {
  const here = existsSync(target)
  const folder = [target, join(target, 'model')].find((path) => existsSync(join(path, 'config.json')))
  try {
    return await openPretrained(folder ?? (here ? await bestCheckpoint(target) : target))
  } catch (error) {
    if (here || !(error instanceof FilatureError) || error.code === 'folder-missing') throw error
    const message = `${target}: there is no such folder here, and the hub did not give it (${error.message}).`
    throw new CheckpointError(error.code, message, { cause: error })
  }
}
