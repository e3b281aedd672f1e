import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { activate } from '@filature/command-line'
import { type ActiveBackend, CheckpointError } from '@filature/tensor'
import { refuseWithResume, said, storedRun } from './folder.ts'
import type { RunOptions } from './options.ts'
import type { RunSettings } from './train.ts'

/** A run that is about to begin, or to go on. */
export interface Beginning<S extends RunSettings> {
  readonly command: S['command']
  readonly options: RunOptions
  readonly backend: ActiveBackend
  readonly seed: number
  /** The settings of the run that goes on; undefined for a new one. */
  readonly stored: S | undefined
  /** A JSON file of the checkpoint that the run goes on from; in a new run, what `make` gives. */
  kept<T>(name: string, make: () => T): Promise<T>
  /** The run's shape as it was begun; in a new run, the usual one with what the options say. */
  shape<T extends object>(usual: T, options: Partial<T>): T
  /** The stored run's checkpoint. */
  readonly checkpoint: string | undefined
}

/**
 * Looks for what is to be resumed, and brings up the backend.
 * @param free options that --resume leaves free
 */
export async function begin<S extends RunSettings>(
  command: S['command'],
  options: RunOptions,
  free: readonly string[],
): Promise<Beginning<S>> {
  if (options.resume !== undefined) refuseWithResume(options, free)
  const run = options.resume === undefined ? undefined : await storedRun<S>(options.resume, command)
  return {
    command,
    options,
    backend: await activate(options),
    seed: run?.settings.seed ?? options.seed ?? 1,
    stored: run?.settings,
    checkpoint: run?.checkpoint,
    kept: async (name, make) => (run ? await readJson(join(run.checkpoint, name)) : make()),
    shape<T extends object>(usual: T, options: Partial<T>): T {
      const given = (run?.settings as T | undefined) ?? options
      return { ...usual, ...said<Partial<T>>(given, Object.keys(usual) as (keyof T)[]) }
    },
  }
}

async function readJson<T>(file: string): Promise<T> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new CheckpointError('run-file', `${file}: it cannot be read (${(error as Error).message}).`)
  }
}
