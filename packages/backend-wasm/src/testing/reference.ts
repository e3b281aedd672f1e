// Definitions in float64 on plain arrays, written to be read: what the kernels must compute. Forward only; gradients
// are held against finite differences of these.
import { dropoutMask } from '@filature/tensor'

export interface Array64 {
  shape: number[]
  data: Float64Array
}
export type Arrays = Record<string, Array64>

export const size = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)
export const zeros = (shape: number[]): Array64 => ({ shape, data: new Float64Array(size(shape)) })

/** erf by its series, and by the continued fraction of erfc from 2.5 on: good to 1e-14 of 1. */
export function erf(x: number): number {
  const t = Math.abs(x)
  if (t > 6) return Math.sign(x)
  if (t < 2.5) {
    let term = x
    let sum = x
    for (let n = 1; n < 80; n++) {
      term *= (-x * x) / n
      sum += term / (2 * n + 1)
    }
    return (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (t + fraction)
  return Math.sign(x) * (1 - Math.exp(-t * t) / ((t + fraction) * Math.sqrt(Math.PI)))
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
export const functions: Record<string, (x: number) => number> = {
  none: (x) => x,
  relu: (x) => Math.max(x, 0),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x * sigmoid(x),
  tanh: Math.tanh,
  sigmoid,
  quick_gelu: (x) => x * sigmoid(1.702 * x),
}

export function map(x: Array64, f: (v: number, i: number) => number): Array64 {
  return { shape: x.shape, data: x.data.map(f) }
}

/** op(a) op(b), (..., M, N); equal leading axes, or none on one side */
export function matmul(a: Array64, b: Array64, ta = false, tb = false): Array64 {
  const [ra, ca] = a.shape.slice(-2) as [number, number]
  const [rb, cb] = b.shape.slice(-2) as [number, number]
  const [M, K, N] = [ta ? ca : ra, ta ? ra : ca, tb ? rb : cb]
  const lead = a.shape.length >= b.shape.length ? a.shape.slice(0, -2) : b.shape.slice(0, -2)
  const out = zeros([...lead, M, N])
  for (let n = 0; n < size(lead); n++) {
    const oa = (n % size(a.shape.slice(0, -2))) * M * K
    const ob = (n % size(b.shape.slice(0, -2))) * K * N
    for (let i = 0; i < M; i++) {
      for (let j = 0; j < N; j++) {
        let sum = 0
        for (let k = 0; k < K; k++) {
          sum += a.data[oa + (ta ? k * M + i : i * K + k)]! * b.data[ob + (tb ? j * K + k : k * N + j)]!
        }
        out.data[(n * M + i) * N + j] = sum
      }
    }
  }
  return out
}

export function linear({ x, weight, bias }: Arrays, { activation }: { activation: string }): Array64 {
  const [O, I] = weight!.shape as [number, number]
  const y = matmul({ shape: [x!.data.length / I, I], data: x!.data }, weight!, false, true)
  y.shape = [...x!.shape.slice(0, -1), O]
  return map(y, (v, i) => functions[activation]!(v + (bias ? bias.data[i % O]! : 0)))
}

export function norm({ x, weight, bias }: Arrays, { eps }: { eps: number }, rms: boolean): Array64 {
  const C = x!.shape.at(-1)!
  const out = zeros(x!.shape)
  for (let r = 0; r < x!.data.length; r += C) {
    const row = Array.from(x!.data.subarray(r, r + C))
    const mean = rms ? 0 : row.reduce((s, v) => s + v, 0) / C
    const variance = row.reduce((s, v) => s + (v - mean) ** 2, 0) / C
    row.forEach((v, j) => {
      out.data[r + j] = ((v - mean) / Math.sqrt(variance + eps)) * (weight?.data[j] ?? 1) + (bias?.data[j] ?? 0)
    })
  }
  return out
}

export interface AttentionAttrs {
  scale: number
  causal: boolean
  window: [number, number] | null
  dropout: { rate: number; key: [number, number]; counter: [number, number] } | null
}

export function attention({ q, k, v, bias }: Arrays, attrs: AttentionAttrs): Array64 {
  const [B, T, H, D] = q!.shape as [number, number, number, number]
  const [, S, G] = k!.shape as [number, number, number]
  const E = v!.shape[3]!
  const out = zeros([B, T, H, E])
  const factors = attrs.dropout ? dropoutMask([B, H, T, S], attrs.dropout).dataSync() : undefined
  const at = (t: Array64, ...i: number[]) =>
    t.data[i.reduce((p, n, d) => p * t.shape[d]! + (t.shape[d] === 1 ? 0 : n), 0)]!
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < T; i++) {
        const g = Math.floor(h / (H / G))
        const scores = Array.from({ length: S }, (_, j) => {
          const offset = j - (i + S - T)
          if (attrs.causal && offset > 0) return -Infinity
          if (attrs.window && (offset < -attrs.window[0] || offset > attrs.window[1])) return -Infinity
          let s = 0
          for (let d = 0; d < D; d++) s += at(q!, b, i, h, d) * at(k!, b, j, g, d)
          return s * attrs.scale + (bias ? at(bias, b, h, i, j) : 0)
        })
        const top = Math.max(...scores)
        if (top === -Infinity) continue
        const weights = scores.map((s) => Math.exp(s - top))
        const total = weights.reduce((s, w) => s + w, 0)
        weights.forEach((w, j) => {
          const p = (w / total) * (factors ? factors[((b * H + h) * T + i) * S + j]! : 1)
          for (let e = 0; e < E; e++) out.data[((b * T + i) * H + h) * E + e]! += p * at(v!, b, j, g, e)
        })
      }
  return out
}

export function rotary({ x, cos, sin }: Arrays, { interleaved, inverse }: { interleaved: boolean; inverse: boolean }) {
  const [B, T, H, D] = x!.shape as [number, number, number, number]
  const half = cos!.shape.at(-1)!
  const out: Array64 = { shape: x!.shape, data: x!.data.slice() }
  for (let p = 0; p < B * T; p++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < half; i++) {
        const angle = (cos!.shape.length === 3 ? p : p % T) * half + i
        const [c, s] = [cos!.data[angle]!, sin!.data[angle]! * (inverse ? -1 : 1)]
        const base = (p * H + h) * D
        const [m, n] = interleaved ? [base + 2 * i, base + 2 * i + 1] : [base + i, base + half + i]
        out.data[m] = x!.data[m]! * c - x!.data[n]! * s
        out.data[n] = x!.data[n]! * c + x!.data[m]! * s
      }
  return out
}

export function crossEntropy(
  { logits, labels }: Arrays,
  { ignoreIndex, labelSmoothing }: { ignoreIndex: number; labelSmoothing: number },
): Array64 {
  const [N, V] = logits!.shape as [number, number]
  const out = zeros([N])
  for (let n = 0; n < N; n++) {
    if (labels!.data[n] === ignoreIndex) continue
    const row = Array.from(logits!.data.subarray(n * V, (n + 1) * V))
    const top = Math.max(...row)
    const lse = top + Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0))
    const mean = row.reduce((s, v) => s + v, 0) / V
    out.data[n] = (1 - labelSmoothing) * (lse - row[labels!.data[n]!]!) + labelSmoothing * (lse - mean)
  }
  return out
}

const GATES = { tanh: 1, relu: 1, lstm: 4, gru: 3 }

/** [out, h] or [out, h, c] */
export function recurrent(
  inputs: Arrays,
  { mode, reverse }: { mode: keyof typeof GATES; reverse: boolean },
): Array64[] {
  const { x, h0, c0, w_ih, w_hh, b_ih, b_hh } = inputs
  const [T, B] = x!.shape as [number, number]
  const H = h0!.shape[1]!
  const n = GATES[mode] * H
  const out = zeros([T, B, H])
  let h: Array64 = { shape: [B, H], data: h0!.data.slice() }
  const c: Array64 = { shape: [B, H], data: (c0 ?? h0)!.data.slice() }
  for (let k = 0; k < T; k++) {
    const t = reverse ? T - 1 - k : k
    const xt = { shape: [B, x!.shape[2]!], data: x!.data.subarray(t * B * x!.shape[2]!, (t + 1) * B * x!.shape[2]!) }
    const gi = map(matmul(xt, w_ih!, false, true), (v, i) => v + (b_ih ? b_ih.data[i % n]! : 0)).data
    const gh = map(matmul(h, w_hh!, false, true), (v, i) => v + (b_hh ? b_hh.data[i % n]! : 0)).data
    const next = zeros([B, H])
    for (let b = 0; b < B; b++)
      for (let j = 0; j < H; j++) {
        const s = (gate: number) => gi[b * n + gate * H + j]! + gh[b * n + gate * H + j]!
        const at = b * H + j
        if (mode === 'tanh') next.data[at] = Math.tanh(s(0))
        else if (mode === 'relu') next.data[at] = Math.max(s(0), 0)
        else if (mode === 'lstm') {
          c.data[at] = sigmoid(s(1)) * c.data[at]! + sigmoid(s(0)) * Math.tanh(s(2))
          next.data[at] = sigmoid(s(3)) * Math.tanh(c.data[at]!)
        } else {
          const [r, z] = [sigmoid(s(0)), sigmoid(s(1))]
          const m = Math.tanh(gi[b * n + 2 * H + j]! + r * gh[b * n + 2 * H + j]!)
          next.data[at] = (1 - z) * m + z * h.data[at]!
        }
      }
    h = next
    out.data.set(h.data, t * B * H)
  }
  return [out, h, ...(mode === 'lstm' ? [c] : [])]
}
