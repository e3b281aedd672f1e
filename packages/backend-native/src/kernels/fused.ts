import type { TensorInfo } from '@tensorflow/tfjs-core'
import { Gradients, type Kernel, type Kernels, maybe, output, rowsOf, sizeOf } from './kernel.ts'

/** Key and counter words, the threshold above which a word keeps its element, and 1 / (1 - rate). */
export function drawArguments({
  rate,
  key,
  counter,
}: {
  rate: number
  key: readonly number[]
  counter: readonly number[]
}): [number, number, number, number, number, number] {
  const threshold = Math.min(Math.floor(rate * 2 ** 32), 2 ** 32 - 1)
  // unsigned: words may come as int32
  const [k0, k1, c0, c1] = [key[0]! >>> 0, key[1]! >>> 0, counter[0]! >>> 0, counter[1]! >>> 0]
  return [k0, k1, c0, c1, threshold, rate < 1 ? 1 / (1 - rate) : 0]
}

/** Dropout is its own gradient: the same mask on dy. */
const dropout =
  (source: string): Kernel =>
  (inputs, attrs, { backend, addon }) => {
    const x = inputs[source]!
    const { info, values } = output(backend, x.shape)
    addon.dropout(values.length, ...drawArguments(attrs), backend.floats(x), values)
    return [info]
  }

function rotary(source: string, turn: boolean): Kernel {
  return (inputs, { interleaved, inverse }, { backend, addon }) => {
    const x = inputs[source]!
    const { cos, sin } = inputs as { cos: TensorInfo; sin: TensorInfo }
    const [B, T, H, D] = x.shape as [number, number, number, number]
    const R = 2 * cos.shape[cos.shape.length - 1]!
    const { info, values } = output(backend, x.shape)
    const [xs, c, s] = [backend.floats(x), backend.floats(cos), backend.floats(sin)]
    addon.rotary(B, T, H, D, R, cos.shape.length === 3, interleaved, turn ? !inverse : inverse, xs, c, s, values)
    return [info]
  }
}

function sumOf(values: Float32Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum
}

/** What each row's loss counts for: 1, or one over the number of labels that are not ignored. */
function shareOf(reduction: 'sum' | 'mean', labels: Int32Array, ignoreIndex: number): number {
  if (reduction === 'sum') return 1
  let kept = 0
  for (let i = 0; i < labels.length; i++) if (labels[i] !== ignoreIndex) kept++
  return 1 / kept
}

export const fused: Kernels = {
  FilatureLayerNorm({ x, weight, bias }, { eps, forGradient }, { backend, addon }) {
    const [rows, columns] = rowsOf(x!.shape)
    const y = output(backend, x!.shape)
    const [w, b] = [maybe(backend, weight), maybe(backend, bias)]
    if (!forGradient) {
      addon.layerNorm(rows, columns, eps, backend.floats(x!), w, b, y.values, null, null)
      return [y.info]
    }
    const [mean, rstd] = [output(backend, [rows]), output(backend, [rows])]
    addon.layerNorm(rows, columns, eps, backend.floats(x!), w, b, y.values, mean.values, rstd.values)
    return [y.info, mean.info, rstd.info]
  },

  FilatureLayerNormGrad({ x, weight, bias, mean, rstd, d_y }, { needs }, { backend, addon }) {
    const gradients = new Gradients(backend, needs)
    const [rows, columns] = rowsOf(x!.shape)
    addon.layerNormGrad(
      rows,
      columns,
      backend.floats(x!),
      maybe(backend, weight),
      backend.floats(mean!),
      backend.floats(rstd!),
      backend.floats(d_y!),
      gradients.of('x', x),
      gradients.of('weight', weight),
      gradients.of('bias', bias),
    )
    return gradients.results
  },

  FilatureRMSNorm({ x, weight }, { eps, forGradient }, { backend, addon }) {
    const [rows, columns] = rowsOf(x!.shape)
    const y = output(backend, x!.shape)
    const rstd = forGradient ? output(backend, [rows]) : undefined
    addon.rmsNorm(rows, columns, eps, backend.floats(x!), backend.floats(weight!), y.values, rstd?.values ?? null)
    return rstd ? [y.info, rstd.info] : [y.info]
  },

  FilatureRMSNormGrad({ x, weight, rstd, d_y }, { needs }, { backend, addon }) {
    const gradients = new Gradients(backend, needs)
    const [rows, columns] = rowsOf(x!.shape)
    const [xs, w, r, dy] = [x!, weight!, rstd!, d_y!].map((t) => backend.floats(t)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ]
    addon.rmsNormGrad(rows, columns, xs, w, r, dy, gradients.of('x', x), gradients.of('weight', weight))
    return gradients.results
  },

  FilatureRotary: rotary('x', false),
  FilatureDropout: dropout('x'),
  FilatureDropoutGrad: dropout('d_y'),

  FilatureSoftmaxCrossEntropy({ logits, labels }, { ignoreIndex, labelSmoothing, reduction }, { backend, addon }) {
    const [rows, V] = logits!.shape as [number, number]
    const [loss, lse] = [output(backend, [rows]), output(backend, [rows])]
    const [x, ids] = [backend.floats(logits!), backend.ints(labels!)]
    addon.crossEntropy(rows, V, ignoreIndex, labelSmoothing, x, ids, loss.values, lse.values)
    if (reduction === 'none') return [loss.info, lse.info]
    const total = output(backend, [])
    total.values[0] = sumOf(loss.values) * shareOf(reduction, ids, ignoreIndex)
    backend.disposeData(loss.info.dataId)
    return [total.info, lse.info]
  },

  FilatureSoftmaxCrossEntropyGrad(
    { logits, labels, lse, d_loss },
    { ignoreIndex, labelSmoothing, reduction, needs },
    { backend, addon },
  ) {
    const gradients = new Gradients(backend, needs)
    const [rows, V] = logits!.shape as [number, number]
    const dx = gradients.of('logits', logits)
    const [x, ids, l] = [backend.floats(logits!), backend.ints(labels!), backend.floats(lse!)]
    let d = backend.floats(d_loss!)
    if (reduction !== 'none') d = backend.memoryPool.floats(rows).fill(d[0]! * shareOf(reduction, ids, ignoreIndex))
    if (dx) addon.crossEntropyGrad(rows, V, ignoreIndex, labelSmoothing, x, ids, l, d, dx)
    if (reduction !== 'none') backend.memoryPool.discard(d)
    return gradients.results
  },

  FilatureEmbedding({ weight, ids }, _, { backend, addon }) {
    const [V, C] = weight!.shape as [number, number]
    const at = backend.ints(ids!)
    for (let i = 0; i < at.length; i++) {
      if (!(at[i]! >= 0 && at[i]! < V)) throw new RangeError(`embedding: id ${at[i]} is outside 0..${V - 1}`)
    }
    const { info, values } = output(backend, [...ids!.shape, C])
    addon.gather(1, V, at.length, C, backend.floats(weight!), at, values)
    return [info]
  },

  FilatureEmbeddingGrad({ weight, ids, d_y }, { paddingIdx, needs }, { backend, addon }) {
    const gradients = new Gradients(backend, needs)
    const [V, C] = weight!.shape as [number, number]
    const d = gradients.of('weight', weight)
    if (d) addon.scatterAdd(sizeOf(ids!.shape), C, V, paddingIdx ?? -1, backend.floats(d_y!), backend.ints(ids!), d)
    return gradients.results
  },
}

const rotaryBack = rotary('d_y', true)
fused.FilatureRotaryGrad = (inputs, attrs, run) => {
  // angles are constants: only x has a gradient
  const needs = attrs.needs as string[]
  if (needs.some((name) => name !== 'x')) throw new RangeError('rotary: cos and sin are constants and have no gradient')
  return needs.length ? rotaryBack(inputs, attrs, run) : []
}
