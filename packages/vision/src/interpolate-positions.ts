import { ConfigError, concat, interpolate, narrow, rearrange, type Tensor3D, type Tensor4D } from '@filature/tensor'

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
