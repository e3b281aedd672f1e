import { type BinaryLike, createHash } from 'node:crypto'
import { ConfigError } from '@filature/tensor'
import type { Beginning } from './begin.ts'
import type { RunSettings } from './train.ts'

/** What a run learns from, in one number: it is stored with the run. */
export function sha256Of(...parts: readonly BinaryLike[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Going on with other data would be another run: `where` is what was read now, named by --text or --data. */
export function requireSame<S extends RunSettings & { readonly sha256?: string }>(
  { stored, options }: Beginning<S>,
  sha256: string,
  { where, flag }: { where: string; flag: 'text' | 'data' },
): void {
  if (stored?.sha256 === undefined || stored.sha256 === sha256) return
  throw new ConfigError(
    'resume-data',
    `--resume ${options.resume}: ${where} is not the ${flag} of the first run any more; give that as --${flag}.`,
  )
}
