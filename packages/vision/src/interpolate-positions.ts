import {
  ConfigError,
  concat,
  dispose,
  type FileTensor,
  interpolate,
  narrow,
  type Rule,
  rearrange,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
} from '@filature/tensor'

/**
 * Positions learned on one square grid for another one: the class token's row stays, the patches' are resized as an
 * image by torch's bicubic interpolation. (1, 1 + old^2, C) -> (1, 1 + new^2, C)
 */
export function interpolatePositions(positions: Tensor3D, newGrid: number): Tensor3D {
  const old = Math.sqrt(positions.shape[1] - 1)
  if (!Number.isInteger(old)) {
    throw new ConfigError(
      'positions-grid',
      `interpolatePositions: wanted positions (1, 1 + n^2, C) of a square grid, got [${positions.shape}].`,
    )
  }
  if (old === newGrid) return positions
  const patches = rearrange<Tensor4D>(narrow(positions, 1, 1), 'b (h w) c -> b c h w', { h: old })
  const resized = interpolate(patches, [newGrid, newGrid], 'bicubic')
  return concat([narrow(positions, 1, 0, 1), rearrange<Tensor3D>(resized, 'b c h w -> b (h w) c')], 1)
}

/**
 * Of a dialect: the positions of a checkpoint (`pos_embed`, `position_embeddings`, at any place in the model) for
 * `newGrid`, as they are read. A model of 364 x 364 pixels loads a checkpoint of 224 x 224 so:
 * `load(model, checkpoint, { dialect: new Dialect('larger', [interpolatedPositions(model.grid[0])]) })`.
 * Saving keeps the new grid.
 */
export function interpolatedPositions(newGrid: number): Rule {
  return {
    toOurs: (table) =>
      new Map(
        [...table].map(([name, entry]) => {
          const matches = /(^|\.)(pos_embed|position_embeddings)$/.test(name) && entry.shape.length === 3
          return [name, matches ? onGrid(entry, newGrid) : entry]
        }),
      ),
    toTheirs: (table) => table,
  }
}

function onGrid(entry: FileTensor, newGrid: number): FileTensor {
  const [, , C] = entry.shape as [number, number, number]
  return {
    dtype: 'F32',
    shape: [1, 1 + newGrid ** 2, C],
    async read() {
      const values = Float32Array.from(await entry.read(), Number)
      const positions = tidy(() => interpolatePositions(tensor(values, [...entry.shape]) as Tensor3D, newGrid))
      try {
        return Float32Array.from(await positions.data())
      } finally {
        dispose(positions)
      }
    },
  }
}
