import { fileURLToPath } from 'node:url'
// @ts-expect-error: a JavaScript package without types
import findAddon from 'node-gyp-build'

type Floats = Float32Array
type MaybeFloats = Float32Array | null
/** One array for each parameter. */
type Lists = readonly Floats[]
type MaybeLists = Lists | null
type Words = Float32Array | Int32Array

/** The compiled functions. Each checks its arguments and throws a RangeError with code NATIVE_ARGUMENT. */
export interface Addon {
  /** An ArrayBuffer at a multiple of 64 bytes, contents undefined. */
  allocate(bytes: number): ArrayBuffer
  /** Gives a block back at once; the buffer is detached. */
  release(buffer: ArrayBuffer): void
  threads(n?: number): number
  cores(): number
  isa(name?: string): string
  isas(): string
  /** Whether products of the calling JavaScript thread round their operands to bfloat16. */
  bf16(on?: boolean): boolean
  /** Whether they use the processor's own instruction: 1 and 0 choose, -1 leaves it to a measurement. */
  bf16Pairs(choice?: -1 | 0 | 1): boolean
  /** Multiply-adds in registers alone, on all threads: the floating-point operations that were done. At most 2^24 rounds. */
  multiplyAdds(rounds: number): number
  // biome-ignore format: one function a line
  gemm(M: number, N: number, K: number, aRow: number, aCol: number, bRow: number, bCol: number, ldc: number, accumulate: boolean, activation: number, a: Floats, b: Floats, c: Floats, bias: MaybeFloats, z: MaybeFloats): void
  // biome-ignore format: one function a line
  gemmBatched(batches: number, M: number, N: number, K: number, aRow: number, aCol: number, bRow: number, bCol: number, aOffsets: Float64Array, bOffsets: Float64Array, a: Floats, b: Floats, c: Floats): void
  /** y (M, N) = x (M, K) weight^T, the weight in blocks: `format` by its place in BLOCKS. */
  // biome-ignore format: one function a line
  blockLinear(format: number, M: number, N: number, K: number, x: Floats, weight: Uint8Array, y: Floats): void
  /** y (n, K): the rows `ids` of a weight in blocks. */
  // biome-ignore format: one function a line
  blockRows(format: number, n: number, rows: number, K: number, ids: Int32Array, weight: Uint8Array, y: Floats): void
  unary(op: number, n: number, x: Floats, y: Floats): void
  binary(op: number, walk: Float64Array, a: Floats, b: Floats, y: Floats): void
  binarySame(op: number, n: number, aStep: number, bStep: number, a: Floats, b: Floats, y: Floats): void
  scaleAdd(n: number, scale: number, shift: number, x: Floats, y: Floats): void
  select(n: number, inner: number, mask: Uint8Array, a: Floats, b: Floats, y: Floats): void
  activation(kind: number, n: number, x: Floats, y: Floats): void
  // biome-ignore format: one function a line
  activationGrad(kind: number, rows: number, columns: number, x: Floats, dy: Floats, dx: Floats, dBias: MaybeFloats): void
  swiglu(n: number, gate: Floats, up: Floats, y: Floats): void
  swigluGrad(n: number, gate: Floats, up: Floats, dy: Floats, dGate: MaybeFloats, dUp: MaybeFloats): void
  copyWalk(walk: Float64Array, x: Words, y: Words): void
  reduceRows(op: number, rows: number, columns: number, x: Floats, y: Floats): void
  reduceColumns(op: number, batches: number, rows: number, columns: number, x: Floats, y: Floats): void
  softmax(rows: number, columns: number, log: boolean, x: Floats, y: Floats): void
  fill(n: number, word: number, y: Words): void
  gather(batches: number, rows: number, n: number, width: number, x: Words, ids: Int32Array, y: Words): void
  scatterAdd(n: number, width: number, rows: number, skip: number, x: Floats, ids: Int32Array, y: Floats): void
  topK(rows: number, columns: number, k: number, x: Floats, values: Floats, indices: Int32Array): void
  sumSquares(n: number, x: Floats): number
  // biome-ignore format: one function a line
  layerNorm(rows: number, columns: number, eps: number, x: Floats, weight: MaybeFloats, bias: MaybeFloats, y: Floats, mean: MaybeFloats, rstd: MaybeFloats): void
  // biome-ignore format: one function a line
  layerNormGrad(rows: number, columns: number, x: Floats, weight: MaybeFloats, mean: Floats, rstd: Floats, dy: Floats, dx: MaybeFloats, dWeight: MaybeFloats, dBias: MaybeFloats): void
  // biome-ignore format: one function a line
  rmsNorm(rows: number, columns: number, eps: number, x: Floats, weight: Floats, y: Floats, rstd: MaybeFloats): void
  // biome-ignore format: one function a line
  rmsNormGrad(rows: number, columns: number, x: Floats, weight: Floats, rstd: Floats, dy: Floats, dx: MaybeFloats, dWeight: MaybeFloats): void
  // biome-ignore format: one function a line
  rotary(B: number, T: number, H: number, D: number, R: number, perBatch: boolean, interleaved: boolean, inverse: boolean, x: Floats, cos: Floats, sin: Floats, y: Floats): void
  // biome-ignore format: one function a line
  crossEntropy(rows: number, V: number, ignore: number, smoothing: number, logits: Floats, labels: Int32Array, loss: Floats, lse: Floats): void
  // biome-ignore format: one function a line
  crossEntropyGrad(rows: number, V: number, ignore: number, smoothing: number, logits: Floats, labels: Int32Array, lse: Floats, dLoss: Floats, dLogits: Floats): void
  // biome-ignore format: one function a line
  dropout(n: number, k0: number, k1: number, c0: number, c1: number, threshold: number, scale: number, x: Floats, y: Floats): void
  philox(first: number, n: number, k0: number, k1: number, c0: number, c1: number, words: Int32Array): void
  /** B, T, S, H, G, D, E, bias steps (4), scale, left, right, dropout, key (2), counter (2), threshold, keep scale, q, k, v, bias, then out and lse. */
  attention(...args: (number | boolean | MaybeFloats)[]): void
  /** As `attention`, then dOut, dQ, dK, dV, dBias. */
  attentionGrad(...args: (number | boolean | MaybeFloats)[]): void
  // biome-ignore format: one function a line
  additiveScores(B: number, T: number, S: number, A: number, a: Floats, b: Floats, v: Floats, scores: Floats): void
  // biome-ignore format: one function a line
  additiveScoresGrad(B: number, T: number, S: number, A: number, a: Floats, b: Floats, v: Floats, dScores: Floats, dA: MaybeFloats, dB: MaybeFloats, dV: MaybeFloats): void
  /** cell, reverse, T, B, I, H, x, h0, c0, wIh, wHh, bIh, bHh, out, h, c, reserve */
  recurrent(...args: (number | boolean | MaybeFloats)[]): void
  /** ... out, reserve, dOut, dH, dC, dX, dH0, dC0, dWIh, dWHh, dBIh, dBHh */
  recurrentGrad(...args: (number | boolean | MaybeFloats)[]): void
  // biome-ignore format: one function a line
  adamw(lr: number, beta1: number, beta2: number, eps: number, decay: number, correction1: number, correction2: number, gradScale: number, coupled: boolean, p: Lists, g: Lists, m: Lists, v: Lists, maxV: MaybeLists): void
  // biome-ignore format: one function a line
  adagrad(lr: number, eps: number, decay: number, gradScale: number, epsInside: boolean, p: Lists, g: Lists, sum: Lists): void
  // biome-ignore format: one function a line
  sgd(lr: number, momentum: number, dampening: number, decay: number, gradScale: number, nesterov: boolean, first: boolean, p: Lists, g: Lists, velocity: MaybeLists): void
  // biome-ignore format: one function a line
  rmsprop(lr: number, alpha: number, eps: number, decay: number, momentum: number, gradScale: number, centered: boolean, p: Lists, g: Lists, square: Lists, mean: MaybeLists, buffer: MaybeLists): void
}

// In the order of the C++ enumerations.
export const ACTIVATIONS = ['none', 'relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid', 'quick_gelu'] as const
/** Blocks that products read as they lie, by the names of their formats. */
export const BLOCKS = ['bf16', 'f16', 'Q8_0', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K'] as const
export const BINARY = { Add: 0, Sub: 1, Multiply: 2, RealDiv: 3, Maximum: 4, Minimum: 5, SquaredDifference: 6 } as const
// biome-ignore format: one line
export const UNARY = { Neg: 0, Abs: 1, Square: 2, Sqrt: 3, Rsqrt: 4, Reciprocal: 5, Exp: 6, Log: 7, Erf: 8, Step: 9, Sign: 10, Floor: 11, Ceil: 12, Sin: 13, Cos: 14, Expm1: 15, Log1p: 16, Softplus: 17 } as const
export const REDUCE = { Sum: 0, Mean: 1, Max: 2, Min: 3 } as const
export const CELLS = ['tanh', 'relu', 'lstm', 'gru'] as const

let loaded: Addon | undefined

/** The compiled addon: a build of this checkout, or the binary that the package ships. Throws where there is neither. */
export function loadAddon(): Addon {
  if (!loaded) {
    loaded = (findAddon as (directory: string) => Addon)(fileURLToPath(new URL('..', import.meta.url)))
  }
  return loaded
}

/** Undefined where the addon loads, or one line that says what to do. */
export function addonMissing(): string | undefined {
  try {
    loadAddon()
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error)
    const compile = fileURLToPath(new URL('../scripts/build.mjs', import.meta.url))
    return (
      `no binary for ${process.platform}-${process.arch} (${reason}); ` +
      `install a C++20 compiler, make and Python 3 (Debian: apt-get install g++ make python3) and run: node ${compile}`
    )
  }
}
