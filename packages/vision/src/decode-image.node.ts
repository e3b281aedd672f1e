import { ConfigError } from '@filature/tensor'
import type { Image } from './resize.ts'

/**
 * Decodes PNG, JPEG, WebP, GIF (its first frame), AVIF or TIFF to 8-bit RGB: to the bytes that Pillow gives, orientation
 * applied, colour profiles not. Transparency comes on white, where Pillow's convert('RGB') would drop it.
 * In Node through sharp, which must be installed beside this package.
 */
export async function decodeImage(bytes: Uint8Array): Promise<Image> {
  const { default: sharp } = await import('sharp').catch((cause) => {
    throw new ConfigError('decode-sharp', 'decodeImage: Node decodes images through sharp; run `npm install sharp`.', {
      cause,
    })
  })
  try {
    const { data, info } = await sharp(bytes, { ignoreIcc: true })
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    const rgb =
      info.channels === 3
        ? new Uint8Array(data)
        : Uint8Array.from({ length: info.width * info.height * 3 }, (_, i) => data[Math.floor(i / 3) * info.channels]!)
    return { width: info.width, height: info.height, channels: 3, data: rgb }
  } catch (cause) {
    throw new ConfigError(
      'decode-image',
      `decodeImage: ${bytes.length} bytes that are no image known here (${(cause as Error).message}).`,
      { cause },
    )
  }
}
