import { readdirSync, readFileSync } from 'node:fs'
import sharp from 'sharp'
import { expect, it } from 'vitest'
import { decodeImage } from './index.ts'

const pixels = Uint8Array.from({ length: 6 * 5 * 3 }, (_, i) => (i * 37) % 256)
const raw = () => sharp(pixels, { raw: { width: 6, height: 5, channels: 3 } })

it('decodes lossless files exactly', async () => {
  for (const encoded of [await raw().png().toBuffer(), await raw().webp({ lossless: true }).toBuffer()]) {
    const image = await decodeImage(encoded)
    expect([image.width, image.height, image.channels]).toEqual([6, 5, 3])
    expect(Array.from(image.data)).toEqual(Array.from(pixels))
  }
})

// Files that Pillow 12.3 wrote, beside the RGB that it reads in them: PNG (of colours, a palette, greys), JPEG (subsampled,
// progressive, grey, turned by its orientation), WebP, and files with a colour profile, which it does not apply.
const folder = new URL('./__fixtures__/decoded/', import.meta.url)
it.each(readdirSync(folder).filter((name) => !name.endsWith('.rgb')))(
  'decodes %s to the bytes that Pillow gives',
  async (file) => {
    const { width, height, data } = await decodeImage(readFileSync(new URL(file, folder)))
    expect([width, height]).toEqual(file === 'turned.jpg' ? [30, 41] : [41, 30])
    expect(Buffer.compare(data, readFileSync(new URL(file.replace(/\.\w+$/, '.rgb'), folder)))).toBe(0)
  },
)

it('puts transparency on white', async () => {
  const clear = {
    create: { width: 1, height: 1, channels: 4, background: { r: 0, g: 100, b: 255, alpha: 0 } },
  } as const
  expect(Array.from((await decodeImage(await sharp(clear).png().toBuffer())).data)).toEqual([255, 255, 255])
})

it('refuses what is no image', async () => {
  await expect(decodeImage(Uint8Array.from([1, 2, 3]))).rejects.toThrow(/no image known here/)
})
