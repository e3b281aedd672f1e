import {
  add,
  attention,
  broadcastTo,
  ConfigError,
  gather,
  narrow,
  pad,
  type Rng,
  reshape,
  ShapeError,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor,
} from '@filature/tensor'
import { fillBias } from './masks.ts'

/** For each block of queries, the blocks of keys that it sees. */
export type BlockPattern = readonly (readonly number[])[]

export interface BlockSparseOptions {
  /** Tokens in a block. */
  size: number
  /** One list for each block of queries: ceil(T / size) lists. */
  blocks: BlockPattern
  /** Within the blocks seen, only keys at or before the query. */
  causal?: boolean
  /** Keys that count, (B, T). */
  keep?: Tensor2D | undefined
  scale?: number
}

/** Blocks at most `left` before and `right` after. */
export function localBlocks(count: number, left: number, right = left): number[][] {
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: left + right + 1 }, (_, j) => i - left + j).filter((j) => j >= 0 && j < count),
  )
}

/** Every `stride`-th block before the query's own, and that one: the strided pattern of Child et al. 2019. */
export function stridedBlocks(count: number, stride: number): number[][] {
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: i + 1 }, (_, j) => j).filter((j) => (i - j) % stride === 0),
  )
}

/** `number` blocks drawn for each block of queries: the random part of BigBird (Zaheer et al. 2020). */
export function randomBlocks(count: number, number: number, rng: Rng): number[][] {
  return Array.from({ length: count }, (_, i) => [...rng.fork(i).permutation(count).subarray(0, number)])
}

/** All patterns at once. */
export function unionOfBlocks(...patterns: BlockPattern[]): number[][] {
  return (patterns[0] ?? []).map((_, i) =>
    [...new Set(patterns.flatMap((pattern) => pattern[i] ?? []))].sort((a, b) => a - b),
  )
}

/**
 * Attention from blocks of queries to chosen blocks of keys. Time and memory grow with T times the longest list, so
 * they are linear in T where the lists are bounded. A query that may see no key gives zeros.
 * q, k (B, T, H, D), v (B, T, H, E) -> (B, T, H, E)
 */
export function blockSparseAttention(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: BlockSparseOptions): Tensor4D {
  const { size, blocks, causal = false, keep, scale = 1 / Math.sqrt(q.shape[3]) } = options
  const [B, T] = q.shape
  if (!(Number.isInteger(size) && size >= 1)) {
    throw new ConfigError('blocks-size', `blockSparseAttention: wanted a whole size of at least 1 token, got ${size}.`)
  }
  const count = Math.ceil(T / size)
  check(blocks, count, T, size)
  if (k.shape[1] !== T || v.shape[1] !== T) {
    throw new ShapeError(
      'blocks-shape',
      `blockSparseAttention: wanted keys and values of the queries' length ${T}, got ${k.shape[1]} and ${v.shape[1]}.`,
    )
  }
  if (keep && keep.shape.join() !== `${B},${T}`) {
    throw new ShapeError('blocks-keep', `blockSparseAttention: wanted keep (B, T) = [${B},${T}], got [${keep.shape}].`)
  }
  const K = Math.max(...blocks.map((list) => list.length))
  const places = Int32Array.from(blocks.flatMap((list) => [...list, ...new Array<number>(K - list.length).fill(0)]))

  /** (B, T, ...) -> (B, count, size, ...) */
  const cut = (x: Tensor): Tensor => {
    const rest = x.shape.slice(2)
    const still = rest.map((): [number, number] => [0, 0])
    return reshape(pad(x, [[0, 0], [0, count * size - T], ...still]), [B, count, size, ...rest])
  }
  /** (B, T, ...) -> (B * count, K * size, ...) */
  const seen = (x: Tensor): Tensor => {
    const picked = gather(cut(x), tensor(places, [count * K], 'int32'), 1)
    return reshape(picked, [B * count, K * size, ...x.shape.slice(2)])
  }
  const rows = causal ? size : 1
  const own: Tensor = broadcastTo(within(blocks, { size, K, T, causal }), [B, count, rows, K * size])
  const mask = keep && reshape(seen(fillBias(keep)), [B, count, 1, K * size])
  const bias = reshape(mask ? add(own, mask) : own, [B * count, 1, rows, K * size])
  const queries = reshape(cut(q), [B * count, size, ...q.shape.slice(2)]) as Tensor4D
  const out = attention(queries, seen(k) as Tensor4D, seen(v) as Tensor4D, { bias, scale }) // (B count, size, H, E)
  return narrow(reshape(out, [B, count * size, ...out.shape.slice(2)]), 1, 0, T) as Tensor4D
}

/** What of the blocks seen is real (no filling, no padding) and, if causal, not after the query: (1, count, rows, K size) */
function within(
  blocks: BlockPattern,
  { size, K, T, causal }: { size: number; K: number; T: number; causal: boolean },
): Tensor4D {
  const rows = causal ? size : 1
  const bias = new Float32Array(blocks.length * rows * K * size).fill(Number.NEGATIVE_INFINITY)
  blocks.forEach((list, i) => {
    for (let row = 0; row < rows; row++) {
      const last = causal ? i * size + row : T - 1
      list.forEach((block, place) => {
        const stop = Math.min(size, last + 1 - block * size)
        const at = ((i * rows + row) * K + place) * size
        if (stop > 0) bias.fill(0, at, at + stop)
      })
    }
  })
  return tensor(bias, [1, blocks.length, rows, K * size])
}

function check(blocks: BlockPattern, count: number, T: number, size: number): void {
  if (blocks.length !== count) {
    throw new ConfigError(
      'blocks-count',
      `blockSparseAttention: wanted ${count} lists for ${T} tokens in blocks of ${size}, got ${blocks.length}.`,
    )
  }
  for (const list of blocks) {
    if (new Set(list).size !== list.length || list.some((j) => !Number.isInteger(j) || j < 0 || j >= count)) {
      throw new ConfigError(
        'blocks-list',
        `blockSparseAttention: wanted lists of different blocks from 0 to ${count - 1}, got [${list}].`,
      )
    }
  }
}
