import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { activate, type ChosenBackend, flagOf } from '@filature/command-line'
import { CheckpointError, ConfigError } from '@filature/tensor'
import { freeFolder, requireNoRun, storedRun } from './folder.ts'
import type { RunOptions } from './options.ts'
import type { RunSettings } from './train.ts'

/** A run that is about to begin, or to go on. */
export interface Beginning<S extends RunSettings> {
  readonly command: S['command']
  readonly options: RunOptions
  readonly backend: ChosenBackend
  readonly seed: number
  /** The settings of the run that goes on; undefined for a new one. */
  readonly stored: S | undefined
  /** The stored run's checkpoint. */
  readonly checkpoint: string | undefined
  /** Where the run is, or will be: the folder that was named, else a new one in runs/. */
  folder(name: string): string
  /** A JSON file of the checkpoint that the run goes on from; in a new run, what `make` gives. */
  kept<T>(name: string, make: () => T): Promise<T>
  /** The run's shape as it was begun; in a new run, the usual one with what the options say. */
  shape<T extends object>(usual: T, options?: Partial<T>): T
}

/**
 * Refuses what cannot be, looks for what is to be resumed, and brings up the backend.
 * @param free options that --resume leaves free
 */
export async function begin<S extends RunSettings>(
  command: S['command'],
  options: RunOptions,
  free: readonly string[],
): Promise<Beginning<S>> {
  if (options.resume !== undefined) refuseWithResume(options, free)
  requireOneLength(options)
  if (options.out !== undefined) await requireNoRun(options.out)
  const run = options.resume === undefined ? undefined : await storedRun<S>(options.resume, command)
  if (run) requireNotBehind(options, run.checkpoint)
  return {
    command,
    options,
    backend: await activate(options),
    seed: run?.settings.seed ?? options.seed ?? 1,
    stored: run?.settings,
    checkpoint: run?.checkpoint,
    folder: (name) => options.resume ?? options.out ?? freeFolder(name),
    kept: async (name, make) => (run ? await readJson(join(run.checkpoint, name)) : make()),
    shape<T extends object>(usual: T, options: Partial<T> = {}): T {
      const given = (run?.settings as T | undefined) ?? options
      return { ...usual, ...said<Partial<T>>(given, Object.keys(usual) as (keyof T)[]) }
    },
  }
}

/** A run goes on as it began: with --resume, only the options named in `free` may be given. */
function refuseWithResume(options: object, free: readonly string[]): void {
  const allowed = new Set(['resume', 'steps', 'backend', 'threads', ...free])
  const given = Object.entries(options).find(([key, value]) => value !== undefined && !allowed.has(key))
  if (!given) return
  throw new ConfigError('resume-option', `--resume: a run goes on as it began; leave ${flagOf(given[0])} out.`)
}

const lengths = ['minutes', 'epochs', 'steps'] as const

function requireOneLength(options: { readonly [K in (typeof lengths)[number]]?: number }): void {
  const given = lengths.filter((key) => options[key] !== undefined).map(flagOf)
  if (given.length < 2) return
  throw new ConfigError('run-length', `${given.join(' and ')}: each says how long the run is; give one of them.`)
}

function requireNotBehind({ resume, steps }: RunOptions, checkpoint: string): void {
  const reached = Number(basename(checkpoint).replace('checkpoint-', ''))
  if (steps === undefined || steps >= reached) return
  throw new ConfigError(
    'resume-steps',
    `--steps ${steps}: the run in ${resume} has made ${reached} already; give as many in all, or more.`,
  )
}

/** Those entries that were given. */
function said<T extends object>(given: T, keys: readonly (keyof T)[]): Partial<T> {
  const entries = keys.filter((key) => given[key] !== undefined).map((key) => [key, given[key]])
  return Object.fromEntries(entries)
}

async function readJson<T>(file: string): Promise<T> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new CheckpointError('run-file', `${file}: it cannot be read (${(error as Error).message}).`)
  }
}
