import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bestCheckpoint } from '@filature/train/node'

/**
 * Where a model's config.json is: the folder that was named, its `model`, or the best checkpoint of a run that is not
 * finished. What is not there at all stays as it is: it may be an id on the hub.
 */
export async function modelFolder(target: string): Promise<string> {
  const folder = [target, join(target, 'model')].find((path) => existsSync(join(path, 'config.json')))
  return folder ?? (existsSync(target) ? await bestCheckpoint(target) : target)
}
