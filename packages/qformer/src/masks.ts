import {
  cast,
  concat,
  expandDims,
  lessEqual,
  mul,
  ones,
  range,
  reshape,
  ShapeError,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  zeros,
} from '@filature/tensor'

// Hidden positions get -10000 in self-attention and the least finite float in cross-attention, as in the reference.
const SELF = -10000
const CROSS = -3.4028234663852886e38

const additive = (mask: Tensor4D, hidden: number): Tensor4D => mul(sub(mul(mask, -1), -1), hidden)

/**
 * The score bias of self-attention.
 * @param mask 1 where a position counts: (B, S), or (B, T, S) as it is; S counts cached positions too
 * @param T number of new positions
 * @param causal text sees what comes before it; queries, where there are any, see only queries (UniLM, Dong et al. 2019)
 * @returns broadcasts to (B, H, T, S)
 */
export function selfBias(
  mask: Tensor,
  T: number,
  { causal, withQueries }: { causal: boolean; withQueries: boolean },
): Tensor4D {
  const counted = cast(mask, 'float32')
  if (mask.rank === 3) return additive(expandDims<Tensor4D>(counted, 1), SELF)
  if (mask.rank !== 2) {
    throw new ShapeError('qformer-mask', `QFormer: wanted an attention_mask (B, S) or (B, T, S), got [${mask.shape}].`)
  }
  const [B, S] = mask.shape as [number, number]
  const row = reshape(counted, [B, 1, 1, S])
  if (!causal) return additive(row, SELF)
  // T new positions; those before them are cached, or the queries in front of the text
  const before = S - T
  const order = cast(lessEqual(reshape(range(0, T), [1, T]), reshape(range(0, T), [T, 1])), 'float32') as Tensor2D
  let visible = order
  if (before > 0) {
    const text = withQueries ? concat([zeros([before, T]), order], 0) : order // (before + T, T)
    visible = concat([ones([text.shape[0], before]), text], 1)
  }
  return additive(mul(reshape(visible, [1, 1, ...visible.shape] as [number, number, number, number]), row), SELF)
}

/** The score bias of cross-attention. mask (B, S) or (B, Q, S) -> broadcasts to (B, H, Q, S) */
export function encoderBias(mask: Tensor): Tensor4D {
  if (mask.rank !== 2 && mask.rank !== 3) {
    throw new ShapeError(
      'qformer-mask',
      `QFormer: wanted an encoder_attention_mask (B, S) or (B, Q, S), got [${mask.shape}].`,
    )
  }
  const counted = cast(mask, 'float32')
  const four =
    mask.rank === 3 ? expandDims<Tensor4D>(counted, 1) : reshape(counted, [mask.shape[0]!, 1, 1, mask.shape[1]!])
  return additive(four, CROSS)
}
