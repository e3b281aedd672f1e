import { ShapeError, type Tensor } from '@filature/tensor'

/** Throws unless a head mask has a row for each layer, (L, H). */
export function requireHeadMask(who: string, headMask: Tensor, layers: number): void {
  if (headMask.rank === 2 && headMask.shape[0] === layers) return
  throw new ShapeError(
    'head-mask-layers',
    `${who}: wanted a headMask (L, H) with a row for each of ${layers} layers, got [${headMask.shape}].`,
  )
}
