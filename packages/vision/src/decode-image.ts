import { ConfigError } from '@filature/tensor'
import type { Image } from './resize.ts'

/**
 * Decodes what the browser can (PNG, JPEG, WebP, GIF, AVIF) to 8-bit RGB: to the bytes that Pillow gives, orientation
 * applied, colour profiles not. Transparency comes on white.
 */
export async function decodeImage(bytes: Uint8Array): Promise<Image> {
  let bitmap: ImageBitmap
  try {
    bitmap = await createImageBitmap(new Blob([bytes.slice()]), { colorSpaceConversion: 'none' })
  } catch (cause) {
    throw new ConfigError('decode-image', `decodeImage: ${bytes.length} bytes that are no image known here.`, { cause })
  }
  const { width, height } = bitmap
  const context = new OffscreenCanvas(width, height).getContext('2d')!
  context.fillStyle = '#ffffff'
  context.fillRect(0, 0, width, height)
  context.drawImage(bitmap, 0, 0)
  bitmap.close()
  const rgba = context.getImageData(0, 0, width, height).data
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => rgba[4 * Math.floor(i / 3) + (i % 3)]!)
  return { width, height, channels: 3, data }
}
