import {
  add,
  cast,
  equal,
  expandDims,
  full,
  lessEqual,
  logicalAnd,
  notEqual,
  range,
  reshape,
  ShapeError,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  where,
  zerosLike,
} from '@filature/tensor'

// Two conventions of masks: a `keep` mask is 1 (or true) where a query may see a key; a bias is added to the scores.

/** The least finite float32: what Hugging Face's models add where a key must not be seen. A row of it is uniform. */
export const LEAST = -3.4028234663852886e38

/** 0 where kept, `fill` elsewhere, in the mask's shape. */
export function fillBias(keep: Tensor, fill = Number.NEGATIVE_INFINITY): Tensor {
  const zeros = zerosLike(cast(keep, 'float32'))
  return where(notEqual(keep.dtype === 'bool' ? cast(keep, 'int32') : keep, 0), zeros, full(keep.shape, fill))
}

/** Keys that count, keep (B, S) -> bias (B, 1, 1, S). */
export function paddingBias(keep: Tensor2D, fill = Number.NEGATIVE_INFINITY): Tensor4D {
  const [B, S] = keep.shape
  return reshape(fillBias(keep, fill), [B, 1, 1, S])
}

/**
 * `paddingBias` of a mask that a caller gives; any other shape than (B, S) is refused.
 * @param S cached and new positions
 */
export function paddingBiasFor(keep: Tensor2D, B: number, S: number): Tensor4D {
  if (keep.rank !== 2 || keep.shape[0] !== B || keep.shape[1] !== S) {
    throw new ShapeError(
      'mask-shape',
      `Attention mask: wanted [${B}, ${S}], a number for every cached and new position, got [${keep.shape}].`,
    )
  }
  return paddingBias(keep)
}

/** keep (T, S), (B, T, S) or (B, H, T, S) -> bias with four axes, missing ones 1. */
export function maskBias(keep: Tensor, fill = Number.NEGATIVE_INFINITY): Tensor4D {
  return fourAxes(fillBias(keep, fill))
}

/** A bias (T, S), (B, T, S) or (B, H, T, S) with four axes, missing ones 1. */
export function fourAxes(bias: Tensor): Tensor4D {
  if (bias.rank === 4) return bias as Tensor4D
  const [a, b, c] = bias.shape as [number, number, number]
  if (bias.rank === 2) return reshape(bias, [1, 1, a, b])
  if (bias.rank === 3) return reshape(bias, [a, 1, b, c])
  throw new ShapeError(
    'mask-rank',
    `Attention mask: wanted (T, S), (B, T, S) or (B, H, T, S), got [${bias.shape}]; reshape it first.`,
  )
}

/**
 * Query i may see key j where j <= i + offset. -> bool (T, S)
 * @param offset S - T by default: the last query sees every key; 0 aligns the first query with the first key.
 */
export function causalKeep(T: number, S: number = T, offset: number = S - T): Tensor2D {
  return lessEqual(expandDims<Tensor2D>(range(0, S), 0), expandDims(range(offset, offset + T), 1)) as Tensor2D
}

/** `causalKeep` as a bias (1, 1, T, S). */
export function causalBias(
  T: number,
  S: number = T,
  { offset = S - T, fill = Number.NEGATIVE_INFINITY }: { offset?: number; fill?: number } = {},
): Tensor4D {
  return maskBias(causalKeep(T, S, offset), fill)
}

/** Queries and keys of the same segment see each other (sequences packed in one row): ids (B, T) -> bool (B, T, T). */
export function segmentKeep(ids: Tensor2D): Tensor {
  return equal(expandDims(ids, 2), expandDims(ids, 1))
}

/** Kept by every mask; the masks broadcast against each other, undefined ones do not count. */
export function keptByAll(...masks: (Tensor | undefined)[]): Tensor | undefined {
  const asBool = (mask: Tensor) => (mask.dtype === 'bool' ? mask : notEqual(mask, 0))
  return masks
    .filter((mask) => mask !== undefined)
    .map(asBool)
    .reduce<Tensor | undefined>((all, mask) => (all ? logicalAnd(all, mask) : mask), undefined)
}

/** The sum of biases; undefined ones do not count. -inf stays -inf, and LEAST twice becomes -inf. */
export function addBiases(...biases: (Tensor | undefined)[]): Tensor | undefined {
  return biases.reduce((sum, bias) => (sum && bias ? add(sum, bias) : (sum ?? bias)), undefined)
}

/** The distance i + offset - j of query i and key j. -> int32 (T, S) */
export function distances(T: number, S: number = T, offset: number = S - T): Tensor2D {
  return sub(expandDims<Tensor2D>(range(offset, offset + T), 1), expandDims(range(0, S), 0))
}
