import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import type { Tensor, Tensor4D } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

type Inputs = { x: Tensor; cos: Tensor; sin: Tensor }
type Attributes = { interleaved: boolean; inverse: boolean }

const op: FusedOp<Inputs, Attributes> = {
  name: 'Rotary',
  outputs: ['y'],
  saves: ['cos', 'sin'],
  composed: ({ x, cos, sin }, { interleaved, inverse }) => {
    const [B, T, H, D] = x.shape as [number, number, number, number]
    const half = cos.shape[cos.rank - 1]!
    const angles = (t: Tensor) => tf.reshape(t, [cos.rank === 3 ? B : 1, T, 1, half])
    const c = angles(cos)
    const s = inverse ? tf.neg(angles(sin)) : angles(sin)
    const turned = tf.slice(x, [0, 0, 0, 0], [B, T, H, 2 * half])
    const rest = tf.slice(x, [0, 0, 0, 2 * half], [B, T, H, D - 2 * half])
    const [a, b] = (
      interleaved ? tf.unstack(tf.reshape(turned, [B, T, H, half, 2]), 4) : tf.split(turned, [half, half], 3)
    ) as [Tensor, Tensor]
    const first = tf.sub(tf.mul(a, c), tf.mul(b, s))
    const second = tf.add(tf.mul(b, c), tf.mul(a, s))
    const y = interleaved
      ? tf.reshape(tf.stack([first, second], 4), [B, T, H, 2 * half])
      : tf.concat([first, second], 3)
    return [2 * half === D ? y : tf.concat([y, rest], 3)]
  },
}

/**
 * Rotary positions (Su et al. 2021): turns pairs of features by the angles of their position.
 * x (B, T, H, D); cos, sin (T, R/2) or (B, T, R/2), constants; the first R <= D features turn, the rest pass.
 * Pairs are (i, i + R/2), or (2i, 2i + 1) when `interleaved`.
 */
export function rotary(x: Tensor4D, cos: Tensor, sin: Tensor, { interleaved = false, inverse = false } = {}): Tensor4D {
  const [B, T, , D] = x.shape
  const half = cos.shape[cos.rank - 1]!
  const wanted = cos.rank === 3 ? [B, T, half] : [T, half]
  if (2 * half > D || [cos, sin].some((t) => t.rank !== wanted.length || t.shape.some((d, i) => d !== wanted[i]))) {
    throw new ShapeError(
      'rotary-shape',
      `rotary: wanted cos and sin (T, R/2) or (B, T, R/2) with R <= D for x (B, T, H, D) = [${x.shape}], ` +
        `got cos [${cos.shape}], sin [${sin.shape}].`,
    )
  }
  return runFused(op, { x, cos, sin }, { interleaved, inverse })[0] as Tensor4D
}
