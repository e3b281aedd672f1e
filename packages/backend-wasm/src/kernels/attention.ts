import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { float } from '../module/kernel-module.ts'
import { type Inputs, kernel, type TensorInfo } from './kernel.ts'
import { sumTo } from './reductions.ts'

interface Attrs {
  scale: number
  causal: boolean
  window: [number, number] | null
  dropout: { rate: number; key: [number, number]; counter: [number, number] } | null
  forGradient: boolean
  needs: string[]
}

type Results = { [name in 'out' | 'lse' | 'd_out' | 'given_out' | 'given_lse']?: TensorInfo | undefined } & {
  [name in 'dq' | 'dk' | 'dv' | 'd_scores' | 'delta']?: TensorInfo | undefined
}

/** The words of Attention in kernels/attention.h. */
function words(engine: WasmEngine, { q, k, v, bias }: Inputs, attrs: Attrs, results: Results): number[] {
  const at = (t: TensorInfo | undefined) => engine.at(t)
  const [B, T, H, D] = q!.shape as [number, number, number, number]
  const [, S, G] = k!.shape as [number, number, number]
  const strides = [0, 0, 0, 0]
  for (let axis = 3, step = 1; bias && axis >= 0; axis--) {
    strides[axis] = bias.shape[axis] === 1 ? 0 : step
    step *= bias.shape[axis]!
  }
  const { window, dropout } = attrs
  const right = attrs.causal ? 0 : window ? window[1] : -1
  const far = (n: number) => Math.min(n, 2 ** 30)
  const draw = dropout
    ? [1, ...dropout.key, ...dropout.counter, Math.min(Math.floor(dropout.rate * 2 ** 32), 2 ** 32 - 1)]
    : [0, 0, 0, 0, 0, 0]
  const kept = dropout && dropout.rate < 1 ? 1 / (1 - dropout.rate) : 0
  return [
    ...[at(q), at(k), at(v), at(bias), ...strides, at(results.out), at(results.lse)],
    ...[at(results.d_out), at(results.given_out), at(results.given_lse)],
    ...[at(results.dq), at(results.dk), at(results.dv), at(results.d_scores), at(results.delta)],
    ...[B, T, S, H, G, D, v!.shape[3]!, float(attrs.scale), window ? far(window[0]) : -1, far(right)],
    ...[...draw, float(kept)],
  ]
}

function attention(engine: WasmEngine, inputs: Inputs, attrs: Attrs): TensorInfo[] {
  const { q, v } = inputs
  const [B, T, H] = q!.shape as [number, number, number]
  const out = engine.empty([B, T, H, v!.shape[3]!])
  const lse = attrs.forGradient ? engine.empty([B, H, T]) : undefined
  const { kernels } = engine
  kernels.run.attention_forward!(kernels.context, kernels.write(words(engine, inputs, attrs, { out, lse })))
  return lse ? [out, lse] : [out]
}

function attentionGrad(engine: WasmEngine, inputs: Inputs, attrs: Attrs): TensorInfo[] {
  const { q, k, v, bias, out, lse, d_out } = inputs
  const [B, T, H] = q!.shape as [number, number, number]
  const S = k!.shape[1]!
  const { needs } = attrs
  const wanted = (name: string, like: TensorInfo) => (needs.includes(name) ? engine.zeros(like.shape) : undefined)
  const dq = wanted('q', q!)
  const dk = wanted('k', k!)
  const dv = wanted('v', v!)
  const d_scores = needs.includes('bias') ? engine.zeros([B, H, T, S]) : undefined
  const delta = engine.empty([B, H, T])
  const results = { d_out, given_out: out, given_lse: lse, dq, dk, dv, d_scores, delta }
  const { kernels } = engine
  kernels.run.attention_gradient!(kernels.context, kernels.write(words(engine, inputs, attrs, results)))
  engine.disposeData(delta.dataId)
  let d_bias = d_scores
  if (d_scores?.shape.some((d, axis) => d !== bias!.shape[axis])) {
    d_bias = sumTo(engine, d_scores, bias!.shape)
    engine.disposeData(d_scores.dataId)
  }
  const grads: Record<string, TensorInfo | undefined> = { q: dq, k: dk, v: dv, bias: d_bias }
  return needs.map((name) => grads[name]!)
}

export const attentions: KernelConfig[] = [
  kernel('FilatureAttention', attention),
  kernel('FilatureAttentionGrad', attentionGrad),
]
