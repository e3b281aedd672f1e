import {
  Buffer,
  expandDims,
  gather,
  Module,
  Parameter,
  reshape,
  type Tensor3D,
  type Tensor4D,
  transpose,
  zerosInit,
} from '@filature/tensor'

/**
 * For tokens [class, patches of a rows x columns grid]: which row of the bias table each pair of tokens reads, (N, N)
 * row-major. Patches by their offset, then one row each for class to patch, patch to class, class to class.
 */
export function relativePositionIndex([rows, columns]: readonly [number, number]): Int32Array {
  const N = rows * columns + 1
  const distances = (2 * rows - 1) * (2 * columns - 1)
  const index = new Int32Array(N * N)
  for (let a = 1; a < N; a++) {
    for (let b = 1; b < N; b++) {
      const down = Math.floor((a - 1) / columns) - Math.floor((b - 1) / columns) + rows - 1
      const right = ((a - 1) % columns) - ((b - 1) % columns) + columns - 1
      index[a * N + b] = down * (2 * columns - 1) + right
    }
  }
  for (let i = 1; i < N; i++) {
    index[i] = distances
    index[i * N] = distances + 1
  }
  index[0] = distances + 2
  return index
}

/** The learned bias of each head for each offset between patches (BEiT, Bao et al. 2021, after Liu et al. 2021). */
export class RelativePositionBias extends Module {
  readonly relative_position_bias_table: Parameter
  readonly relative_position_index: Buffer

  constructor(grid: readonly [number, number], heads: number) {
    super()
    const distances = (2 * grid[0] - 1) * (2 * grid[1] - 1) + 3
    const N = grid[0] * grid[1] + 1
    this.relative_position_bias_table = new Parameter([distances, heads], zerosInit)
    this.relative_position_index = new Buffer([N, N], { dtype: 'int32', derive: () => relativePositionIndex(grid) })
  }

  /** -> (H, N, N) */
  forward(): Tensor3D {
    return biasOf(this.relative_position_bias_table, this.relative_position_index)
  }
}

/** table (distances, H) read by index (N, N) -> (H, N, N) */
export function biasOf(table: Parameter, index: Buffer): Tensor3D {
  const [N] = index.shape as [number]
  const rows = gather(table.value, reshape(index.value, [N * N])) // (N N, H)
  return transpose(reshape(rows, [N, N, table.shape[1]!]), [2, 0, 1])
}

/** (H, N, N) -> (1, H, N, N), as attention takes a bias. */
export function asBias(bias: Tensor3D): Tensor4D {
  return expandDims<Tensor4D>(bias, 0)
}
