import { slidingWindowAttention } from '@filature/attention'
import {
  add,
  attend,
  attention,
  attentionPattern,
  conv1d,
  linear,
  mul,
  narrow,
  pad,
  Rng,
  recurrent,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  zeros,
} from '@filature/tensor'

/** Sequence length, width, window on each side, kernel width. */
export interface Size {
  readonly n: number
  readonly d: number
  readonly r: number
  readonly k: number
}

/** A layer that takes n vectors of width d to as many, and what the textbook says of it. */
export interface MeasuredLayer {
  readonly name: string
  /** Sizes that it depends on. */
  readonly axes: readonly (keyof Size)[]
  /** Makes what a run needs (the caller's to dispose); the run is what is measured. */
  readonly prepare: (size: Size) => { readonly inputs: Tensor[]; readonly run: () => Tensor }
  /** Operations a layer, sequential steps, longest path (Vaswani et al. 2017, table 1). */
  readonly textbook: { readonly operations: string; readonly sequential: string; readonly path: string }
}

const random = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    Float32Array.from(new Rng(seed).normal(shape.reduce((a, b) => a * b, 1)), (x) => x / 8),
    [...shape] as [number],
  )

/** q, k and v of one head, (1, n, 1, d). */
const heads = ({ n, d }: Size) => [1, 2, 3].map((seed) => random([1, n, 1, d], seed)) as [Tensor4D, Tensor4D, Tensor4D]

const selfAttention = { operations: 'n^2 d', sequential: '1', path: '1' }

export const layers: readonly MeasuredLayer[] = [
  {
    name: 'self-attention, scores held',
    axes: ['n', 'd'],
    prepare: (size) => {
      const [q, k, v] = heads(size)
      return { inputs: [q, k, v], run: () => attend(attentionPattern(q, k), v) }
    },
    textbook: selfAttention,
  },
  {
    name: 'self-attention, fused',
    axes: ['n', 'd'],
    prepare: (size) => {
      const [q, k, v] = heads(size)
      return { inputs: [q, k, v], run: () => attention(q, k, v) }
    },
    textbook: selfAttention,
  },
  {
    name: 'windowed attention',
    axes: ['n', 'd', 'r'],
    prepare: (size) => {
      const [q, k, v] = heads(size)
      return { inputs: [q, k, v], run: () => slidingWindowAttention(q, k, v, { window: size.r }) }
    },
    textbook: { operations: 'r n d', sequential: '1', path: 'n / r' },
  },
  {
    name: 'recurrent',
    axes: ['n', 'd'],
    prepare: ({ n, d }) => {
      const x = random([n, 1, d], 1) as Tensor3D
      const weights = { w_ih: random([d, d], 2), w_hh: random([d, d], 3) }
      const state = { h: zeros([1, d]) as Tensor2D }
      return { inputs: [x, state.h, ...Object.values(weights)], run: () => recurrent('tanh', x, state, weights).out }
    },
    textbook: { operations: 'n d^2', sequential: 'n', path: 'n' },
  },
  {
    name: 'convolution',
    axes: ['n', 'd', 'k'],
    prepare: ({ n, d, k }) => {
      const x = random([1, d, n], 1) as Tensor3D
      const weight = random([d, d, k], 2) as Tensor3D
      return { inputs: [x, weight], run: () => conv1d(x, weight, undefined, { padding: Math.floor(k / 2) }) }
    },
    textbook: { operations: 'k n d^2', sequential: '1', path: 'n / k' },
  },
  {
    name: 'convolution, dilated by k',
    axes: ['n', 'd', 'k'],
    prepare: ({ n, d, k }) => {
      const x = random([1, d, n], 1) as Tensor3D
      const weight = random([d, d, k], 2) as Tensor3D
      const window = { padding: Math.floor(k / 2) * k, dilation: k }
      return { inputs: [x, weight], run: () => conv1d(x, weight, undefined, window) }
    },
    textbook: { operations: 'k n d^2', sequential: '1', path: 'log_k n' },
  },
  {
    name: 'convolution, separable',
    axes: ['n', 'd', 'k'],
    prepare: ({ n, d, k }) => {
      const x = random([n, d], 1) as Tensor2D
      const depthwise = Array.from({ length: k }, (_, i) => random([1, d], 10 + i) as Tensor2D)
      const pointwise = random([d, d], 2)
      const half = Math.floor(k / 2)
      const run = () => {
        const padded = pad(x, [
          [half, k - 1 - half],
          [0, 0],
        ])
        const parts = depthwise.map((w, i) => mul(narrow(padded, 0, i, i + n), w))
        return linear(
          parts.reduce((a, b) => add(a, b)),
          pointwise as Tensor2D,
        )
      }
      return { inputs: [x, pointwise, ...depthwise], run }
    },
    textbook: { operations: 'k n d + n d^2', sequential: '1', path: 'n / k' },
  },
]
