import * as tf from '#tfjs'

/**
 * The gradient of repetition, and so of broadcasting: sums of the copies, axis by axis. tfjs' own stops at rank 4 and
 * slices each copy out for itself.
 */
const tile: tf.GradConfig = {
  kernelName: 'Tile',
  inputsToSave: ['x'],
  gradFunc: (dy, saved, attrs) => ({
    x: () => {
      const shape = saved[0]!.shape
      const whole = (dy as tf.Tensor).shape
      let sum = dy as tf.Tensor
      ;(attrs as unknown as { reps: number[] }).reps.forEach((copies, axis) => {
        if (copies === 1) return
        const before = tf.util.sizeFromShape(shape.slice(0, axis))
        const after = shape[axis]! * tf.util.sizeFromShape(whole.slice(axis + 1))
        sum = tf.sum(tf.reshape(sum, [before, copies, after]), 1)
      })
      return tf.reshape(sum, shape)
    },
  }),
}

/** Puts the mended gradients in the place of tfjs' own, for every backend. */
export function mendGradients(): void {
  if (tf.getGradient(tile.kernelName) === tile) return
  tf.unregisterGradient(tile.kernelName)
  tf.registerGradient(tile)
}
