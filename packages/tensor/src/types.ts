import type * as tf from '#tfjs'

export type Tensor = tf.Tensor
export type Scalar = tf.Scalar
export type Tensor1D = tf.Tensor1D
export type Tensor2D = tf.Tensor2D
export type Tensor3D = tf.Tensor3D
export type Tensor4D = tf.Tensor4D
export type Tensor5D = tf.Tensor5D
export type DType = 'float32' | 'int32' | 'bool'
export type Shape = readonly number[]

/** The tensor type of a shape written as a tuple. */
export type OfShape<S extends Shape> = number extends S['length']
  ? Tensor
  : S['length'] extends 0
    ? Scalar
    : S['length'] extends 1
      ? Tensor1D
      : S['length'] extends 2
        ? Tensor2D
        : S['length'] extends 3
          ? Tensor3D
          : S['length'] extends 4
            ? Tensor4D
            : S['length'] extends 5
              ? Tensor5D
              : Tensor

/** Number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((size, d) => size * d, 1)
}

/** Whether two shapes have the same axes. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i])
}
