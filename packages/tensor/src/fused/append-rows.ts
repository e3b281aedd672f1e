import * as tf from '#tfjs'
import { engine } from '../engine.ts'
import type { Tensor4D } from '../types.ts'

const KERNEL = 'FilatureAppendRows'

/** Whether `appendRows` works here: a backend that can write in place, one sequence, and no gradient being recorded. */
export function appendsInPlace(x: Tensor4D): boolean {
  return x.shape[0] === 1 && !engine.isTapeOn() && tf.getKernel(KERNEL, tf.getBackend()) !== undefined
}

/**
 * Writes x (1, T, G, D) into the rows `length` ... of `room` (1, capacity, G, D) and returns a view of all rows so far,
 * (1, length + T, G, D), which shares the room's memory. Only for an owner that never writes a row twice while views of
 * it live; ask `appendsInPlace` first.
 */
export function appendRows(room: Tensor4D, x: Tensor4D, length: number): Tensor4D {
  return engine.runKernel(KERNEL, { room, x }, { length }) as Tensor4D
}
