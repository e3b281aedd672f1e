import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { CheckpointError, ConfigError } from '@filature/tensor'
import { newestCheckpoint } from '@filature/train/node'
import { flagOf } from './options.ts'

/** Where a new run goes: the folder asked for, which must hold no run yet, or runs/NAME with a number if need be. */
export async function newRunFolder(out: string | undefined, name: string): Promise<string> {
  if (out === undefined) {
    for (let n = 1; ; n++) {
      const folder = resolve('runs', n === 1 ? name : `${name}-${n}`)
      if (!existsSync(folder)) return folder
    }
  }
  if (await newestCheckpoint(out)) {
    throw new ConfigError(
      'out-taken',
      `--out ${out}: there is a run in it; go on with --resume ${out}, or take another folder.`,
    )
  }
  return resolve(out)
}

/** The folder of a run's newest checkpoint and the settings that the run was begun with. */
export async function storedRun<S extends { readonly command: string }>(
  folder: string,
  command: S['command'],
): Promise<{ checkpoint: string; settings: S }> {
  const checkpoint = await newestCheckpoint(folder)
  if (!checkpoint) throw new ConfigError('no-checkpoint', `--resume ${folder}: there is no checkpoint in that folder.`)
  const file = join(checkpoint, 'run.json')
  let settings: S
  try {
    settings = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new CheckpointError('run-settings', `${file}: it cannot be read (${(error as Error).message}).`)
  }
  if (settings.command !== command) {
    throw new ConfigError(
      'resume-command',
      `--resume ${folder}: it is not a run of ${command}${settings.command ? `, but of ${settings.command}` : ''}.`,
    )
  }
  return { checkpoint, settings }
}

/** A run goes on as it began: with --resume, only the options named in `free` may be given. */
export function refuseWithResume(options: object, free: readonly string[]): void {
  const allowed = new Set(['resume', 'steps', 'backend', 'threads', ...free])
  const given = Object.entries(options).find(([key, value]) => value !== undefined && !allowed.has(key))
  if (!given) return
  throw new ConfigError('resume-option', `--resume: a run goes on as it began; leave ${flagOf(given[0])} out.`)
}

/** Those entries that were given. */
export function said<T extends object>(given: T, keys: readonly (keyof T)[]): Partial<T> {
  const entries = keys.filter((key) => given[key] !== undefined).map((key) => [key, given[key]])
  return Object.fromEntries(entries)
}

/** A folder as a user would type it. */
export const shown = (folder: string): string => relative('.', folder) || '.'
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
