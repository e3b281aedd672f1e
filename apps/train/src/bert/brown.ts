import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '@filature/tensor'

/** One printed sample: its genre, its sentences as running text. */
export interface Sample {
  readonly genre: string
  readonly sentences: readonly string[]
}

const cached = fileURLToPath(new URL('../../.cache/brown', import.meta.url))

/** The folder that holds the corpus: the one asked for, or where the fetch script puts it. */
export function brownFolder(given: string | undefined): string {
  const folder = given === undefined ? cached : resolve(given)
  if (existsSync(join(folder, 'cats.txt'))) return folder
  throw new ConfigError(
    'brown-data',
    `--data: no Brown corpus in ${folder} (cats.txt is missing); get it with \`node apps/train/data/fetch-brown.mjs\`.`,
  )
}

/** "The/at jury/nn said/vbd ,/, ..." as it was printed, lower case. */
function printed(tagged: string): string {
  const words = tagged.split(/\s+/).map((token) => token.slice(0, token.lastIndexOf('/')))
  return words
    .join(' ')
    .replace(/`` | ''|``|''/g, ' " ')
    .replace(/ ([,.;:?!)\]])/g, '$1')
    .replace(/([([]) /g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase()
}

/** All samples, in the order of `cats.txt`. */
export async function readBrown(folder: string): Promise<Sample[]> {
  const lines = (await readFile(join(folder, 'cats.txt'), 'utf8')).trim().split('\n')
  return await Promise.all(
    lines.map(async (line) => {
      const [file, genre] = line.trim().split(/\s+/) as [string, string]
      const text = await readFile(join(folder, file), 'utf8')
      const sentences = text
        .split('\n')
        .map((tagged) => tagged.trim())
        .filter((tagged) => tagged !== '')
      return { genre, sentences: sentences.map(printed).filter((sentence) => sentence !== '') }
    }),
  )
}

/** The four kinds of prose that the genres make up (Francis and Kucera's own division of informative and imaginative). */
export const KINDS: Readonly<Record<string, readonly string[]>> = {
  press: ['news', 'editorial', 'reviews'],
  everyday: ['religion', 'hobbies', 'lore', 'belles_lettres'],
  learned: ['government', 'learned'],
  fiction: ['fiction', 'mystery', 'science_fiction', 'adventure', 'romance', 'humor'],
}

export const kindNames = Object.keys(KINDS)

/** Index of a genre's kind among `kindNames`. */
export function kindOf(genre: string): number {
  const kind = kindNames.findIndex((name) => KINDS[name]!.includes(genre))
  if (kind < 0)
    throw new ConfigError('brown-genre', `The genre '${genre}' belongs to no kind; is this the Brown corpus?`)
  return kind
}

/** Every tenth sample is held out, so that each genre is in both parts. */
export function splitSamples(samples: readonly Sample[]): { train: Sample[]; heldOut: Sample[] } {
  return { train: samples.filter((_, i) => i % 10 !== 9), heldOut: samples.filter((_, i) => i % 10 === 9) }
}
