import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { ConfigError } from '@filature/tensor'

/** Pictures of one channel with their classes. */
export interface LabelledImages {
  readonly count: number
  readonly height: number
  readonly width: number
  /** (count, height, width), row-major, 0 to 255. */
  readonly pixels: Uint8Array
  /** (count) */
  readonly labels: Uint8Array
}

/** Where Debian's package puts the files, and where the fetch script does. */
const usual = [
  '/usr/share/datasets/fashion-mnist',
  fileURLToPath(new URL('../../.cache/fashion-mnist', import.meta.url)),
]
const FETCH = 'node apps/train/data/fetch-fashion-mnist.mjs'

export const classNames = [
  'T-shirt',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
] as const

/** The folder to read: the one asked for, or the first of the usual ones that has the data. */
export function dataFolder(asked: string | undefined): string {
  if (asked !== undefined) return resolve(asked)
  const found = usual.find((folder) => existsSync(join(folder, 'train-images-idx3-ubyte.gz')))
  if (found) return found
  throw new ConfigError(
    'vit-data',
    `vit: Fashion-MNIST is neither in ${usual.join(' nor in ')}; fetch it with ${FETCH}, or name its folder as --data.`,
  )
}

/** The training or the test part of a folder of IDX files, as they come (.gz) or unpacked. */
export async function readLabelled(folder: string, part: 'train' | 't10k'): Promise<LabelledImages> {
  const images = await readIdx(folder, `${part}-images-idx3-ubyte`, 3)
  const labels = await readIdx(folder, `${part}-labels-idx1-ubyte`, 1)
  const [count, height, width] = images.shape as [number, number, number]
  if (labels.shape[0] !== count) {
    throw new ConfigError(
      'vit-labels',
      `${folder}: wanted a label for each of ${count} images, got ${labels.shape[0]}.`,
    )
  }
  const unknown = labels.values.findIndex((label) => label >= classNames.length)
  if (unknown >= 0) {
    throw new ConfigError(
      'vit-labels',
      `${folder}: wanted labels from 0 to 9, image ${unknown} has ${labels.values[unknown]}.`,
    )
  }
  return { count, height, width, pixels: images.values, labels: labels.values }
}

/** IDX (LeCun's format for MNIST): two zero bytes, type 8 for bytes, number of axes, sizes big-endian, values. */
async function readIdx(folder: string, name: string, rank: number): Promise<{ shape: number[]; values: Uint8Array }> {
  const path = [`${name}.gz`, name].map((file) => join(folder, file)).find((file) => existsSync(file))
  if (!path) {
    throw new ConfigError(
      'vit-data',
      `vit: there is no ${name}.gz in ${folder}; fetch the files with ${FETCH} ${folder}.`,
    )
  }
  const broken = (what: string) => new ConfigError('vit-idx', `${path}: ${what}; fetch it again with ${FETCH}.`)
  let bytes: Buffer = await readFile(path)
  if (path.endsWith('.gz')) {
    try {
      bytes = gunzipSync(bytes)
    } catch (error) {
      throw broken(`it cannot be unpacked (${(error as Error).message})`)
    }
  }
  const start = 4 + 4 * rank
  if (bytes.length < start || bytes.readUInt32BE(0) !== 0x800 + rank) {
    throw broken(`wanted an IDX file of bytes with ${rank} axes`)
  }
  const shape = Array.from({ length: rank }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis))
  const size = shape.reduce((a, b) => a * b, 1)
  if (bytes.length !== start + size)
    throw broken(`wanted ${size} values for ${shape.join(' x ')}, got ${bytes.length - start}`)
  return { shape, values: new Uint8Array(bytes.buffer, bytes.byteOffset + start, size) }
}

/** The images from..to. */
export function slice(all: LabelledImages, from: number, to: number): LabelledImages {
  const size = all.height * all.width
  const pixels = all.pixels.subarray(from * size, to * size)
  return { ...all, count: to - from, pixels, labels: all.labels.subarray(from, to) }
}
