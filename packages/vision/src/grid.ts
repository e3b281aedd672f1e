import { ConfigError } from '@filature/tensor'

/** One side for squares, or [height, width]. */
export type Size = number | readonly [number, number]

export const pair = (size: Size): [number, number] => (typeof size === 'number' ? [size, size] : [size[0], size[1]])

/** Rows and columns of patches; the image must divide by the patch. */
export function patchGrid(who: string, imageSize: Size, patchSize: Size): [number, number] {
  const [height, width] = pair(imageSize)
  const [ph, pw] = pair(patchSize)
  if (![height, width, ph, pw].every((side) => Number.isInteger(side) && side > 0)) {
    throw new ConfigError(
      'image-sizes',
      `${who}: wanted whole numbers from 1 as sides, got an image of ${height} x ${width} and patches of ${ph} x ${pw}.`,
    )
  }
  if (height % ph !== 0 || width % pw !== 0) {
    throw new ConfigError(
      'image-patches',
      `${who}: the image ${height} x ${width} must divide into patches of ${ph} x ${pw}; check the image and patch size.`,
    )
  }
  return [height / ph, width / pw]
}
