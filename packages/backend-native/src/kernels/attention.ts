import type { TensorInfo } from '@tensorflow/tfjs-core'
import { REDUCE } from '../addon.ts'
import type { NativeBackend } from '../backend.ts'
import { drawArguments } from './fused.ts'
import { Gradients, type Inputs, type Kernels, maybe, output, sizeOf } from './kernel.ts'
import { reduceAxes } from './reduce.ts'
import { broadcastSteps } from './walk.ts'

interface Attributes {
  scale: number
  causal: boolean
  window: readonly [number, number] | null
  dropout: { rate: number; key: readonly number[]; counter: readonly number[] } | null
}

const NONE: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 1]

/** What the forward and the backward call share. */
function argumentsOf(backend: NativeBackend, { q, k, v, bias }: Inputs, attributes: Attributes) {
  const [B, T, H, D] = q!.shape as [number, number, number, number]
  const [, S, G] = k!.shape as [number, number, number, number]
  const E = v!.shape[3]!
  const { scale, causal, window, dropout } = attributes
  const left = window ? window[0] : Number.POSITIVE_INFINITY
  const right = Math.min(window ? window[1] : Number.POSITIVE_INFINITY, causal ? 0 : Number.POSITIVE_INFINITY)
  const steps = bias ? broadcastSteps(bias.shape, [B, H, T, S]) : [0, 0, 0, 0]
  const draw = dropout ? drawArguments(dropout) : NONE
  return {
    sizes: { B, T, S, H, G, E },
    common: [B, T, S, H, G, D, E, ...steps, scale, left, right, dropout !== null, ...draw] as (number | boolean)[],
    operands: [backend.floats(q!), backend.floats(k!), backend.floats(v!), maybe(backend, bias)],
  }
}

/** d_bias (B, H, T, S) summed over the axes along which the bias was repeated. */
function biasGradient(backend: NativeBackend, full: Float32Array, shape: number[], bias: TensorInfo): TensorInfo {
  const all = backend.makeTensorInfo(shape, 'float32', full)
  const axes = shape.map((_, i) => i).filter((i) => bias.shape[i] === 1 && shape[i] !== 1)
  if (!axes.length) return { ...all, shape: bias.shape }
  const summed = reduceAxes(backend, backend.addon, REDUCE.Sum, all, axes, bias.shape)!
  backend.disposeData(all.dataId)
  return summed
}

export const attention: Kernels = {
  FilatureAttention(inputs, attributes, { backend, addon }) {
    const { sizes, common, operands } = argumentsOf(backend, inputs, attributes)
    const { B, T, H, E } = sizes
    const out = output(backend, [B, T, H, E])
    const lse = attributes.forGradient ? output(backend, [B, H, T]) : undefined
    addon.attention(...common, ...operands, out.values, lse?.values ?? null)
    return lse ? [out.info, lse.info] : [out.info]
  },

  FilatureAttentionGrad(inputs, attributes, { backend, addon }) {
    const { sizes, common, operands } = argumentsOf(backend, inputs, attributes)
    const { B, T, H, S } = sizes
    const { q, k, v, bias, out, lse, d_out } = inputs
    const gradients = new Gradients(backend, attributes.needs)
    const dBias = bias && gradients.wants('bias') ? backend.memoryPool.floats(B * H * T * S) : null
    addon.attentionGrad(
      ...common,
      ...operands,
      backend.floats(out!),
      backend.floats(lse!),
      backend.floats(d_out!),
      gradients.of('q', q),
      gradients.of('k', k),
      gradients.of('v', v),
      dBias,
    )
    if (dBias) gradients.put('bias', biasGradient(backend, dBias, [B, H, T, S], bias!))
    return gradients.results
  },

  FilatureAdditiveScores({ a, b, v }, _, { backend, addon }) {
    const [B, T, A] = a!.shape as [number, number, number]
    const S = b!.shape[1]!
    const { info, values } = output(backend, [B, T, S])
    addon.additiveScores(B, T, S, A, backend.floats(a!), backend.floats(b!), backend.floats(v!), values)
    return [info]
  },

  FilatureAdditiveScoresGrad({ a, b, v, d_scores }, { needs }, { backend, addon }) {
    const [B, T, A] = a!.shape as [number, number, number]
    const gradients = new Gradients(backend, needs)
    addon.additiveScoresGrad(
      B,
      T,
      b!.shape[1]!,
      A,
      backend.floats(a!),
      backend.floats(b!),
      backend.floats(v!),
      backend.floats(d_scores!),
      gradients.of('a', a),
      gradients.of('b', b),
      gradients.of('v', v),
    )
    return gradients.results
  },

  // The view is a tensor of its own in the room's block, which the memory counts.
  FilatureAppendRows({ room, x }, { length }, { backend }) {
    const [, , ...rest] = room!.shape
    const width = sizeOf(rest)
    const rows = backend.floats(room!)
    rows.set(backend.floats(x!), length * width)
    const count = length + x!.shape[1]!
    return backend.makeTensorInfo([1, count, ...rest], 'float32', rows.subarray(0, count * width))
  },
}
