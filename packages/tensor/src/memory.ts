import * as tf from '#tfjs'
import { engine } from './engine.ts'
import { offTape } from './kernel-call.ts'

type Tensor = tf.Tensor

/** Runs `fn` and disposes every tensor made inside it but what it returns (and what was kept). */
export function tidy<T>(fn: () => T): T {
  return tf.tidy(fn as () => tf.TensorContainer) as T
}

/** Takes a tensor out of every surrounding `tidy`; the caller disposes it. */
export function keep<T extends Tensor>(x: T): T {
  return tf.keep(x)
}

/** Frees tensors (or containers of tensors). */
export function dispose(x: tf.TensorContainer): void {
  tf.dispose(x)
}

/** A second handle on the same data, in the current `tidy`. */
export function clone<T extends Tensor>(x: T): T {
  return tf.clone(x) as T
}

/** Number and bytes of live tensors, over all of the process. */
export function liveMemory(): { tensors: number; bytes: number } {
  return { tensors: engine.state.numTensors, bytes: engine.state.numBytes }
}

/** Runs `fn` off the tape: its result is a constant for the gradients around it. */
export function frozen<T>(fn: () => T): T {
  return offTape(() => tidy(fn))
}
