import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError, Rng } from '@filature/tensor'
import { readText } from '../text/read.ts'

export interface Pair {
  readonly source: string
  readonly target: string
}

export interface SplitPairs {
  readonly train: readonly Pair[]
  readonly validation: readonly Pair[]
  readonly test: readonly Pair[]
}

const fetched = fileURLToPath(new URL('../../.cache/translations', import.meta.url))
const FETCH = 'node apps/train/data/fetch-translations.mjs'

/** A file of pairs: a path, or the name of a pair of languages that the fetch script brings (de-en, en-es, es-en). */
export function pairsFile(asked: string): string {
  const path = /^[a-z]{2}-[a-z]{2}$/.test(asked) && !existsSync(asked) ? join(fetched, `${asked}.tsv`) : resolve(asked)
  if (!existsSync(path)) {
    throw new ConfigError('pairs-file', `--data ${asked}: there is no file ${path}; run "${FETCH}", or name one.`)
  }
  return path
}

/** Lines of source, tab, target; those with more than `maxWords` words on a side are left out. */
export async function readPairs(
  path: string,
  { maxWords, reverse }: { maxWords: number; reverse: boolean },
): Promise<{ pairs: Pair[]; sha256: string }> {
  const { text, sha256 } = await readText(path, '--data')
  const pairs: Pair[] = []
  const seen = new Set<string>()
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line === '') continue
    const sides = line.split('\t')
    if (sides.length !== 2) {
      throw new ConfigError(
        'pairs-line',
        `${path}: wanted source, tab, target in line ${i + 1}, got ${sides.length} parts.`,
      )
    }
    const [source, target] = (reverse ? sides.reverse() : sides) as [string, string]
    if (words(source) > maxWords || words(target) > maxWords || seen.has(source)) continue
    seen.add(source)
    pairs.push({ source, target })
  }
  return { pairs, sha256 }
}

const words = (text: string) => text.split(/\s+/).length

/**
 * Parts drawn by seed. No sentence of the test or validation part is among the training pairs, on either side: what is
 * translated there was not seen.
 */
export function splitPairs(pairs: readonly Pair[], { seed, test }: { seed: number; test: number }): SplitPairs {
  const held = 2 * test
  if (pairs.length <= held) {
    throw new ConfigError(
      'pairs-few',
      `translate: wanted more than ${held} pairs to hold out --test ${test} and as many to validate, got ${pairs.length}.`,
    )
  }
  const order = new Rng(seed).fork('split').permutation(pairs.length)
  const at = (from: number, to: number) => Array.from(order.subarray(from, to), (i) => pairs[i]!)
  const out = at(0, held)
  const known = new Set(out.flatMap(({ source, target }) => [key(source), key(target)]))
  const train = at(held, pairs.length).filter(
    ({ source, target }) => !known.has(key(source)) && !known.has(key(target)),
  )
  return { test: out.slice(0, test), validation: out.slice(test), train }
}

const key = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
