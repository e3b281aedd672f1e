import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError, type Rng } from '@filature/tensor'
import { decodeImage, resize } from '@filature/vision'

/** Side of the pictures in pixels. */
export const SIDE = 64
export const artists = ['google', 'twitter'] as const
export type Artist = (typeof artists)[number]

/** A base emoji: no variant of skin tone. */
export interface Emoji {
  /** Its picture's file, the same with each artist. */
  readonly file: string
  /** Lower-case words. */
  readonly name: string
  /** Lower-case words for what it belongs to, wider first: 'animals nature, animal mammal'. */
  readonly kind: string
  /** Forms of one emoji for women, men and persons have one family. */
  readonly family: string
}

/** One artist's drawings of some emoji: RGB on white, (count, 64, 64, 3), row-major. */
export interface Drawings {
  readonly emoji: readonly Emoji[]
  readonly pixels: Uint8Array
}

const usual = fileURLToPath(new URL('../../.cache/emoji', import.meta.url))
const FETCH = 'node apps/train/data/fetch-emoji.mjs'

interface Entry {
  readonly name: string
  readonly unified: string
  readonly image: string
  readonly category: string
  readonly subcategory: string
  readonly has_img_google: boolean
  readonly has_img_twitter: boolean
}

/** The folder to read, with one folder for each artist. */
export function emojiFolder(asked: string | undefined): string {
  const folder = asked === undefined ? usual : resolve(asked)
  const missing = artists.find((artist) => !existsSync(join(folder, artist, 'emoji.json')))
  if (!missing) return folder
  throw new ConfigError(
    'caption-data',
    `caption: there is no ${missing}/emoji.json in ${folder}; fetch the drawings with ${FETCH}${asked === undefined ? '' : ` ${folder}`}.`,
  )
}

/** Every base emoji that both artists have drawn, each name once, by code. */
export async function readEmoji(folder: string): Promise<Emoji[]> {
  const file = join(folder, 'google/emoji.json')
  let entries: Entry[]
  try {
    entries = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new ConfigError('caption-data', `${file}: it cannot be read (${(error as Error).message}); run ${FETCH}.`)
  }
  const byName = new Map<string, Emoji>()
  for (const { name, unified, image, category, subcategory, has_img_google, has_img_twitter } of entries) {
    const plain = plainName(name)
    if (!has_img_google || !has_img_twitter || plain === '' || byName.has(plain)) continue
    byName.set(plain, {
      file: image,
      name: plain,
      kind: `${plainName(category)}, ${plainName(subcategory)}`,
      family: familyOf(unified),
    })
  }
  return [...byName.values()].sort((a, b) => (a.file < b.file ? -1 : 1))
}

const plainName = (name: string) =>
  name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}#*]+/gu, ' ')
    .trim()

/** Code points without joiners, variation selectors and signs of gender; woman, man and person count as one. */
function familyOf(unified: string): string {
  const codes = unified.split('-').filter((code) => !['200D', 'FE0F', '2640', '2642'].includes(code))
  return codes.map((code) => (['1F468', '1F469', '1F9D1'].includes(code) ? 'person' : code)).join('-')
}

export interface Split {
  readonly train: readonly Emoji[]
  readonly validation: readonly Emoji[]
  readonly test: readonly Emoji[]
}

/** Whole families to either side: a tenth to validate, a tenth to test. */
export function splitEmoji(emoji: readonly Emoji[], rng: Rng): Split {
  const families = [...new Set(emoji.map(({ family }) => family))]
  const place = new Map(Array.from(rng.permutation(families.length), (at, i) => [families[i]!, at / families.length]))
  const between = (low: number, high: number) =>
    emoji.filter(({ family }) => place.get(family)! >= low && place.get(family)! < high)
  return { test: between(0, 0.1), validation: between(0.1, 0.2), train: between(0.2, 1) }
}

export async function readDrawings(folder: string, artist: Artist, emoji: readonly Emoji[]): Promise<Drawings> {
  const size = SIDE * SIDE * 3
  const pixels = new Uint8Array(emoji.length * size)
  const readOne = async (i: number) => {
    const path = join(folder, artist, 'img', emoji[i]!.file)
    let image = await decodeImage(await readFile(path)).catch((error) => {
      throw new ConfigError('caption-image', `${path}: it cannot be read (${error.message}); run ${FETCH} anew.`)
    })
    if (image.width !== SIDE || image.height !== SIDE) image = resize(image, [SIDE, SIDE])
    pixels.set(image.data, i * size)
  }
  const chunk = 64
  for (let from = 0; from < emoji.length; from += chunk) {
    await Promise.all(Array.from({ length: Math.min(chunk, emoji.length - from) }, (_, i) => readOne(from + i)))
  }
  return { emoji, pixels }
}
