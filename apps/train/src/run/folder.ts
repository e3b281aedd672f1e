import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { CheckpointError, ConfigError } from '@filature/tensor'
import { newestCheckpoint } from '@filature/train/node'

/** A new folder in runs/: NAME, with a number if need be. */
export function freeFolder(name: string): string {
  for (let n = 1; ; n++) {
    const folder = resolve('runs', n === 1 ? name : `${name}-${n}`)
    if (!existsSync(folder)) return folder
  }
}

/** Refuses a folder for a new run that holds one already. */
export async function requireNoRun(out: string): Promise<void> {
  if (!(await newestIn('--out', out))) return
  throw new ConfigError(
    'out-taken',
    `--out ${out}: there is a run in it; go on with --resume ${out}, or take another folder.`,
  )
}

/** The folder of a run's newest checkpoint and the settings that the run was begun with. */
export async function storedRun<S extends { readonly command: string }>(
  folder: string,
  command: S['command'],
): Promise<{ checkpoint: string; settings: S }> {
  const checkpoint = await newestIn('--resume', folder)
  if (!checkpoint) throw new ConfigError('no-checkpoint', `--resume ${folder}: there is no checkpoint in that folder.`)
  const file = join(checkpoint, 'run.json')
  let settings: Partial<S>
  try {
    settings = Object(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    throw new CheckpointError('run-settings', `${file}: it cannot be read (${(error as Error).message}).`)
  }
  if (settings.command !== command) {
    const what = settings.command === undefined ? 'its run.json names no command' : `but of ${settings.command}`
    throw new ConfigError('resume-command', `--resume ${folder}: it is not a run of ${command}, ${what}.`)
  }
  return { checkpoint, settings: settings as S }
}

async function newestIn(flag: string, folder: string): Promise<string | undefined> {
  return await newestCheckpoint(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTDIR') throw error
    throw new ConfigError('run-folder', `${flag} ${folder}: wanted a folder, that is a file.`)
  })
}

/** A folder as a user would type it. */
export const shown = (folder: string): string => relative('.', folder) || '.'
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
