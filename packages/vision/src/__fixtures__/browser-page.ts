import { decodeImage, resize } from '../index.ts'

export interface Seen {
  width: number
  height: number
  data: number[]
  resized: number[]
}

/** What the test calls in the page: a file's pixels, and the same resized. */
async function run(file: string): Promise<Seen> {
  const image = await decodeImage(Uint8Array.from(atob(file), (char) => char.charCodeAt(0)))
  const { width, height, data } = image
  return { width, height, data: Array.from(data), resized: Array.from(resize(image, [14, 20]).data) }
}

Object.assign(globalThis, { run })
