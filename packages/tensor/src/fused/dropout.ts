import * as tf from '#tfjs'
import { ConfigError } from '../errors.ts'
import { philoxWords, type Words2 } from '../philox.ts'
import { type Shape, sizeOf, type Tensor } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

/** Which mask is drawn: the same for the same numbers, on every backend. */
export interface DropoutDraw {
  rate: number
  /** Philox key and upper counter words; see `nextDraw`. */
  key: Words2
  counter: Words2
}

/** 1 / (1 - rate) where the element is kept and 0 where it is dropped: the same on every backend. */
export function dropoutMask(shape: Shape, { rate, key, counter }: DropoutDraw): Tensor {
  const words = philoxWords(sizeOf(shape), key, counter)
  const threshold = Math.floor(rate * 2 ** 32)
  const kept = rate < 1 ? 1 / (1 - rate) : 0
  return tf.tensor(
    Float32Array.from(words, (word) => (word >= threshold ? kept : 0)),
    [...shape],
  )
}

const op: FusedOp<{ x: Tensor }, DropoutDraw> = {
  name: 'Dropout',
  outputs: ['y'],
  saves: [],
  composed: ({ x }, draw) => [tf.mul(x, dropoutMask(x.shape, draw))],
}

/** Zeroes elements at the given rate and scales the others by 1 / (1 - rate) (Srivastava et al. 2014). */
export function dropout<T extends Tensor>(x: T, draw: DropoutDraw): T {
  if (!(draw.rate >= 0 && draw.rate <= 1)) {
    throw new ConfigError('dropout-rate', `dropout: wanted a rate from 0 to 1, got ${draw.rate}.`)
  }
  return draw.rate === 0 ? x : (runFused(op, { x }, draw)[0] as T)
}
