import * as tf from '#tfjs'
import { valueAndGradsOf } from './autodiff.ts'
import { attention } from './fused/attention.ts'
import { layerNorm } from './fused/norm.ts'
import { gelu } from './ops/activation.ts'
import { matMul } from './ops/matmul.ts'
import { Rng } from './rng.ts'
import type { Tensor, Tensor2D, Tensor4D } from './types.ts'

export interface SelfTestReport {
  /** Largest error of each check, relative to the largest magnitude of what was wanted. */
  errors: Record<string, number>
  /** One line for each check beyond its tolerance. */
  failed: string[]
}

interface Check {
  name: string
  tolerance: number
  got: () => Tensor
  /** Computed in float64 on the host. */
  wanted: () => number[]
}

const draws = (label: string, n: number) => Float32Array.from(new Rng(2026).fork(label).normal(n))

function product(a: ArrayLike<number>, b: ArrayLike<number>, M: number, K: number, N: number): number[] {
  const out = new Array<number>(M * N).fill(0)
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) out[m * N + n]! += a[m * K + k]! * b[k * N + n]!
    }
  }
  return out
}

function checks(): Check[] {
  const [M, K, N] = [37, 65, 33]
  const a = draws('a', M * K)
  const b = draws('b', K * N)
  const ta = () => tf.tensor2d(a, [M, K])
  const tb = () => tf.tensor2d(b, [K, N])
  const row = Float32Array.from({ length: 41 }, (_, i) => -5 + i / 4)
  const normed = (x: ArrayLike<number>) => {
    const values = Array.from(x)
    const mean = values.reduce((s, v) => s + v, 0) / values.length
    const variance = values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length
    return values.map((v) => (v - mean) / Math.sqrt(variance + 1e-5))
  }
  const softmaxed = (x: ArrayLike<number>) => {
    const e = Array.from(x, (v) => Math.exp(v))
    const total = e.reduce((s, v) => s + v, 0)
    return e.map((v) => v / total)
  }
  return [
    { name: 'matMul', tolerance: 1e-5, got: () => matMul(ta(), tb()), wanted: () => product(a, b, M, K, N) },
    {
      name: 'matMul gradient',
      tolerance: 1e-5,
      got: () => {
        const x = ta()
        return valueAndGradsOf(() => tf.sum(tf.mul(matMul(x, tb()), 0.5)) as tf.Scalar, [x]).grads[0]!
      },
      wanted: () => product(new Float32Array(M * N).fill(0.5), transposed(b, K, N), M, N, K),
    },
    { name: 'exp', tolerance: 1e-5, got: () => tf.exp(tf.tensor1d(row)), wanted: () => Array.from(row, Math.exp) },
    { name: 'tanh', tolerance: 1e-5, got: () => tf.tanh(tf.tensor1d(row)), wanted: () => Array.from(row, Math.tanh) },
    { name: 'softmax', tolerance: 1e-5, got: () => tf.softmax(tf.tensor1d(row)), wanted: () => softmaxed(row) },
    { name: 'layerNorm', tolerance: 1e-5, got: () => layerNorm(tf.tensor2d(row, [1, 41])), wanted: () => normed(row) },
    { name: 'gelu', tolerance: 1e-5, got: () => gelu(tf.tensor1d([-3, -1, -0.5, 0, 0.5, 1, 3])), wanted: () => GELU },
    {
      name: 'gather gradient',
      tolerance: 1e-6,
      got: () => {
        const table = tf.zeros([4, 2]) as Tensor2D
        const ids = tf.tensor1d([1, 1, 3], 'int32')
        return valueAndGradsOf(() => tf.sum(tf.gather(table, ids)) as tf.Scalar, [table]).grads[0]!
      },
      wanted: () => [0, 0, 2, 2, 0, 0, 1, 1],
    },
    {
      // one query sees one key: its value; the next sees two equal keys: their mean
      name: 'causal attention',
      tolerance: 1e-5,
      got: () => {
        const q = tf.ones([1, 2, 1, 2]) as Tensor4D
        return attention(q, q, tf.tensor4d([1, 2, 3, 4], [1, 2, 1, 2]), { causal: true })
      },
      wanted: () => [1, 2, 2, 3],
    },
  ]
}

// x Phi(x) to 10 digits
const GELU = [-0.0040496941, -0.1586552539, -0.1542687694, 0, 0.3457312306, 0.8413447461, 2.9959503059]

function transposed(b: ArrayLike<number>, K: number, N: number): Float32Array {
  return Float32Array.from({ length: K * N }, (_, i) => b[(i % K) * N + Math.floor(i / K)]!)
}

/** Computes a few things on the active backend and holds them against float64 on the host. */
export async function selfTest(): Promise<SelfTestReport> {
  const errors: Record<string, number> = {}
  const failed: string[] = []
  for (const { name, tolerance, got, wanted } of checks()) {
    const result = tf.tidy(got)
    const values = await result.data()
    result.dispose()
    const reference = wanted()
    const scale = Math.max(...reference.map(Math.abs))
    let worst = values.length === reference.length ? 0 : Number.POSITIVE_INFINITY
    for (let i = 0; i < reference.length; i++) {
      const error = Math.abs(values[i]! - reference[i]!) / scale
      worst = error <= worst ? worst : Number.isNaN(error) ? Number.POSITIVE_INFINITY : error
    }
    errors[name] = worst
    if (worst > tolerance) failed.push(`${name} is off by ${worst.toExponential(1)} of the largest value`)
  }
  return { errors, failed }
}
