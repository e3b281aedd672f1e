import {
  attention,
  differentiate,
  dispose,
  linear,
  matMul,
  Rng,
  type Tensor,
  type Tensor4D,
  tensor,
  tidy,
} from '@filature/tensor'
import type { Bench } from './bench.ts'

const random = (label: string, shape: number[]) => {
  const n = shape.reduce((a, b) => a * b, 1)
  return tensor(Float32Array.from(new Rng(7).fork(label).uniform(n, -1, 1)), shape)
}

function op(
  name: string,
  about: string,
  cost: { flops?: number; bytes?: number },
  inputs: number[][],
  fn: (...xs: Tensor[]) => Tensor | Tensor[],
): Bench {
  return {
    name,
    about,
    ...cost,
    setUp: async () => {
      const xs = inputs.map((shape, i) => random(`${i}`, shape))
      return { run: () => void tidy(() => void dispose(fn(...xs))), cleanUp: () => dispose(xs) }
    },
  }
}

/** Against the machine's ceilings: a product's share of peak, a matrix-vector's share of read bandwidth. */
const product = (M: number, N: number, K: number) =>
  op(
    `product-${M}x${N}x${K}`,
    `(${M}, ${K}) times the transpose of (${N}, ${K})`,
    { flops: 2 * M * N * K },
    [
      [M, K],
      [N, K],
    ],
    (x, w) => linear(x!, w!),
  )

const matrixVector = (n: number) =>
  op(
    `matvec-${n}`,
    `one row times the transpose of (${n}, ${n})`,
    { bytes: 4 * n * n },
    [
      [1, n],
      [n, n],
    ],
    (x, w) => linear(x!, w!),
  )

/** How cost grows with length: 12 heads of 64. */
const attentionForward = (T: number, causal: boolean) =>
  op(
    `attention-${T}${causal ? '-causal' : ''}`,
    `attention forward, ${T} tokens, 12 heads of 64`,
    { flops: (4 * T * T * 64 * 12) / (causal ? 2 : 1) },
    [
      [1, T, 12, 64],
      [1, T, 12, 64],
      [1, T, 12, 64],
    ],
    (q, k, v) => attention(q as Tensor4D, k as Tensor4D, v as Tensor4D, { causal }),
  )

const attentionBoth = (T: number) =>
  op(
    `attention-grad-${T}`,
    `attention forward and backward, causal, ${T} tokens, 12 heads of 64`,
    { flops: (14 * T * T * 64 * 12) / 2 },
    [
      [1, T, 12, 64],
      [1, T, 12, 64],
      [1, T, 12, 64],
      [1, T, 12, 64],
    ],
    (q, k, v, d) =>
      differentiate(() => attention(q as Tensor4D, k as Tensor4D, v as Tensor4D, { causal: true }), [q!, k!, v!], [d!])
        .grads as Tensor[],
  )

const decoding = (S: number) =>
  op(
    `decode-${S}`,
    `one query against a cache of ${S}, 32 heads of 64 in 4 groups`,
    { bytes: 2 * 4 * S * 4 * 64 },
    [
      [1, 1, 32, 64],
      [1, S, 4, 64],
      [1, S, 4, 64],
    ],
    (q, k, v) => attention(q as Tensor4D, k as Tensor4D, v as Tensor4D, { causal: true }),
  )

export const kernelBenches: Bench[] = [
  product(256, 256, 256),
  product(1024, 1024, 1024),
  product(2048, 1536, 384),
  product(2048, 384, 1536),
  op(
    'product-batched',
    '48 products of (256, 64) and (64, 256)',
    { flops: 2 * 48 * 256 * 256 * 64 },
    [
      [48, 256, 64],
      [48, 64, 256],
    ],
    (a, b) => matMul(a!, b!),
  ),
  matrixVector(4096),
  attentionForward(256, true),
  attentionForward(1024, true),
  attentionForward(4096, true),
  attentionBoth(256),
  attentionBoth(1024),
  attentionBoth(4096),
  attentionBoth(16384),
  decoding(4096),
]
