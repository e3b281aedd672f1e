import * as tf from '#tfjs'
import type { Tensor } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

const op: FusedOp<{ gate: Tensor; up: Tensor }, object> = {
  name: 'SwiGLU',
  outputs: ['y'],
  saves: ['gate', 'up'],
  composed: ({ gate, up }) => [tf.mul(tf.mul(gate, tf.sigmoid(gate)), up)],
}

/** silu(gate) * up (Shazeer 2020), of equal shapes. */
export function swiglu<T extends Tensor>(gate: T, up: T): T {
  return runFused(op, { gate, up }, {})[0] as T
}
