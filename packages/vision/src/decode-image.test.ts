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

it('decodes JPEG near enough, grey as three channels, transparency on white', async () => {
  const flat = await sharp({ create: { width: 16, height: 8, channels: 3, background: '#336699' } })
    .jpeg({ quality: 95 })
    .toBuffer()
  const jpeg = await decodeImage(flat)
  expect(Math.abs(jpeg.data[0]! - 0x33) + Math.abs(jpeg.data[1]! - 0x66) + Math.abs(jpeg.data[2]! - 0x99)).toBeLessThan(
    7,
  )
  const grey = await decodeImage(
    await sharp({ create: { width: 2, height: 2, channels: 3, background: '#505050' } })
      .greyscale()
      .png()
      .toBuffer(),
  )
  expect(Array.from(grey.data)).toEqual(new Array(12).fill(0x50))
  const clear = await sharp({
    create: { width: 1, height: 1, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
  })
    .png()
    .toBuffer()
  expect(Array.from((await decodeImage(clear)).data)).toEqual([255, 255, 255])
})

it('refuses what is no image', async () => {
  await expect(decodeImage(Uint8Array.from([1, 2, 3]))).rejects.toThrow(/no image known here/)
})
