import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConfigError } from '@filature/tensor'

/** Makes the folder of a file that is written at the end, and refuses what cannot be one, before there is work to lose. */
export async function prepareFile(flag: string, path: string): Promise<void> {
  const entry = await stat(path).catch(() => undefined)
  if (entry?.isDirectory()) throw new ConfigError('output-file', `${flag} ${path}: wanted a file, that is a folder.`)
  await prepareFolder(flag, dirname(path))
}

export async function prepareFolder(flag: string, path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw new ConfigError('output-folder', `${flag}: the folder ${path} cannot be made (${(error as Error).message}).`)
  }
}
