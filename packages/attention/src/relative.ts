import {
  add,
  Buffer,
  concat,
  gather,
  Module,
  matMul,
  mul,
  narrow,
  Parameter,
  reshape,
  reverse,
  ShapeError,
  type Tensor2D,
  type Tensor4D,
  transpose,
  zeros,
  zerosInit,
} from '@filature/tensor'

/** Hugging Face's `position_embedding_type` of BERT beside 'absolute' (Shaw et al. 2018; Huang et al. 2020, method 4). */
export type RelativeKind = 'relative_key' | 'relative_key_query'

export interface RelativeOptions {
  kind: RelativeKind
  /** Factor on the scores that the bias is added to; 1 / sqrt(D) by default. */
  scale?: number
  /** Position of the first query among the keys; S - T by default. */
  start?: number
}

/**
 * Scores of relative positions as a bias: scale (q_i . e_(i-j)), for 'relative_key_query' plus scale (k_j . e_(i-j)).
 * Memory grows with B H T S alone: no (T, S, D) table is made.
 * q (B, T, H, D), k (B, S, H, D), table (2 M - 1, D) with row i - j + M - 1 -> (B, H, T, S)
 */
export function relativeBias(q: Tensor4D, k: Tensor4D, table: Tensor2D, options: RelativeOptions): Tensor4D {
  const [, T, , D] = q.shape
  const S = k.shape[1]
  const { kind, scale = 1 / Math.sqrt(D), start = S - T } = options
  const middle = (table.shape[0] - 1) / 2
  const first = middle + start - (S - 1) // row of query 0 and the last key
  const count = T + S - 1
  if (!Number.isInteger(middle)) {
    throw new ShapeError(
      'relative-table',
      `relativeBias: wanted a table (2 M - 1, D), an odd number of rows, got [${table.shape}].`,
    )
  }
  if (first < 0 || first + count > table.shape[0]) {
    throw new ShapeError(
      'relative-beyond',
      `relativeBias: wanted distances up to ${Math.max(start + T - 1, S - 1 - start)}, got a table for ${middle}; ` +
        'build the model with more positions.',
    )
  }
  const rows = transpose(narrow(table, 0, first, first + count)) // (D, T + S - 1), by ascending i - j
  const byQuery = matMul(transpose(q, [0, 2, 1, 3]), rows) // (B, H, T, T + S - 1)
  // query i, key j: distance i - j + S - 1 from `first`; reversed, column T - 1 - i + j
  let bias = diagonals(reverse(byQuery, 3), T - 1, S)
  if (kind === 'relative_key_query') {
    const byKey = matMul(transpose(k, [0, 2, 1, 3]), rows) // (B, H, S, T + S - 1)
    bias = add(bias, transpose(diagonals(byKey, S - 1, T), [0, 1, 3, 2])) // key j, query i: column S - 1 - j + i
  }
  return mul(bias, scale)
}

/** y[a, b] = x[a, from - a + b]: the same elements read with rows one shorter. (B, H, A, N) -> (B, H, A, count) */
function diagonals(x: Tensor4D, from: number, count: number): Tensor4D {
  const [B, H, A, N] = x.shape
  const flat = concat([reshape(x, [B, H, A * N]), zeros([B, H, from])], 2)
  const sheared = reshape(narrow(flat, 2, from, from + A * (N - 1)), [B, H, A, N - 1])
  return N - 1 === count ? sheared : N - 1 > count ? narrow(sheared, 3, 0, count) : narrow(x, 3, 0, count)
}

/**
 * Row of the relative position table for every pair of patches of a grid, as BEiT and EVA have it: token 0 is the
 * class token, with three rows of its own at the end (class to patch, patch to class, class to class).
 * -> (1 + h w) x (1 + h w), row-major
 */
export function relativePositionIndex([h, w]: readonly [number, number]): Int32Array {
  const N = 1 + h * w
  const rows = relativePositionRows([h, w])
  const index = new Int32Array(N * N)
  for (let a = 0; a < N; a++) {
    for (let b = 0; b < N; b++) index[a * N + b] = rowOf(a, b)
  }
  return index

  function rowOf(a: number, b: number): number {
    if (a === 0 && b === 0) return rows - 1
    if (b === 0) return rows - 2
    if (a === 0) return rows - 3
    const down = Math.floor((a - 1) / w) - Math.floor((b - 1) / w) + h - 1
    const across = ((a - 1) % w) - ((b - 1) % w) + w - 1
    return down * (2 * w - 1) + across
  }
}

/** Rows of the table of `relativePositionIndex`. */
export const relativePositionRows = ([h, w]: readonly [number, number]): number => (2 * h - 1) * (2 * w - 1) + 3

/** table (rows, H), index int32 (N, N) -> bias (1, H, N, N) */
export function relativePositionBias(table: Tensor2D, index: Tensor2D): Tensor4D {
  const [N] = index.shape
  const H = table.shape[1]
  const rows = gather<Tensor2D>(table, reshape(index, [-1])) // (N N, H)
  return reshape(transpose(rows), [1, H, N, N])
}

/** The table as a module of its own, shared by all blocks: `relative_position_bias_table`, `relative_position_index`. */
export class RelativePositionTable extends Module {
  readonly relative_position_bias_table: Parameter
  readonly relative_position_index: Buffer

  constructor(grid: readonly [number, number], heads: number) {
    super()
    const N = 1 + grid[0] * grid[1]
    this.relative_position_bias_table = new Parameter([relativePositionRows(grid), heads], zerosInit)
    this.relative_position_index = new Buffer([N, N], { dtype: 'int32', derive: () => relativePositionIndex(grid) })
  }

  /** -> (1, H, N, N) */
  forward(): Tensor4D {
    const index = this.relative_position_index.value as Tensor2D
    return relativePositionBias(this.relative_position_bias_table.value as Tensor2D, index)
  }
}
