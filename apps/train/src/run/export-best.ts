import { join } from 'node:path'
import { load, openCheckpoint, savePretrained } from '@filature/checkpoint'
import type { Module } from '@filature/tensor'
import { bestCheckpoint } from '@filature/train/node'

/** Saves the best weights of a run as `model` in its folder, beside config.json and the other files; returns where. */
export async function exportBest(
  folder: string,
  describe: () => Module & Disposable,
  { 'config.json': config, ...files }: Readonly<Record<string, string>>,
): Promise<string> {
  const target = join(folder, 'model')
  using model = describe()
  await using weights = await openCheckpoint(join(await bestCheckpoint(folder), 'model.safetensors'))
  await load(model, weights)
  await savePretrained(model, target, { config: JSON.parse(config!), files })
  return target
}
