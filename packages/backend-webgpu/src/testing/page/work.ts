// A small piece of a model whose loss and gradients every runtime must agree on.
import {
  attention,
  embedding,
  layerNorm,
  linear,
  mean,
  reshape,
  type Scalar,
  softmaxCrossEntropy,
  type Tensor,
  type Tensor4D,
  tensor,
  tidy,
  valueAndGradsOf,
} from '@filature/tensor'

const values = (shape: number[], seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin((i + 1) * 12.9898 + seed) * 0.3),
    shape,
  )

/** Loss, then the gradients of all weights. */
export async function lossAndGradients(): Promise<number[][]> {
  const [T, C, H, V] = [70, 48, 4, 31]
  const weights = tidy(() => [values([V, C], 1), values([C, C], 2), values([2 * C, C], 3), values([V, 2 * C], 4)])
  const [table, q, up, head] = weights as [Tensor, Tensor, Tensor, Tensor]
  const { value, grads } = tidy(() => {
    const ids = tensor(
      Array.from({ length: T }, (_, i) => (i * 7) % V),
      [T],
      'int32',
    )
    return valueAndGradsOf(() => {
      const x = layerNorm(reshape(embedding(table, ids), [1, T, C]) as Tensor)
      const heads = reshape(linear(x, q), [1, T, H, C / H]) as Tensor4D
      const y = reshape(attention(heads, heads, heads, { causal: true }), [T, C]) as Tensor
      const logits = linear(linear(y, up, undefined, 'gelu'), head)
      return mean(softmaxCrossEntropy(logits, ids)) as Scalar
    }, weights)
  })
  const all = [value as Tensor, ...(grads as Tensor[])]
  const read = await Promise.all(all.map(async (t) => Array.from(await t.data())))
  for (const t of [...all, ...weights]) t.dispose()
  return read
}
