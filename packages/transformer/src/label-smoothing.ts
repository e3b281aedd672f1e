import {
  add,
  cast,
  div,
  equal,
  klDivLoss,
  logicalOr,
  mul,
  notEqual,
  oneHot,
  onesLike,
  range,
  reshape,
  type Scalar,
  sub,
  sum,
  type Tensor2D,
  type Tensor3D,
} from '@filature/tensor'

/**
 * KL divergence from labels that keep 1 - smoothing and give the rest evenly to the other words, the padding word left
 * out (Szegedy et al. 2016); summed, over the number of labels that are not padding. logp (B, T, V), labels (B, T)
 */
export function labelSmoothingLoss(
  logp: Tensor3D,
  labels: Tensor2D,
  { pad, smoothing }: { pad: number; smoothing: number },
): Scalar {
  const V = logp.shape[2]
  const ids = reshape(labels, [-1])
  const hit = oneHot(ids, V) as Tensor2D // (N, V)
  const isPadColumn = reshape(equal(range(0, V), pad), [1, V])
  const others = sub(onesLike(hit), cast(logicalOr(cast(hit, 'bool'), isPadColumn), 'float32'))
  const counts = cast(notEqual(ids, pad), 'float32') // (N)
  const smoothed = add(mul(hit, 1 - smoothing), mul(others, smoothing / (V - 2)))
  const target = mul(smoothed, reshape(counts, [-1, 1]))
  return div(klDivLoss(reshape(logp, [-1, V]), target, { reduction: 'sum' }), sum<Scalar>(counts))
}
