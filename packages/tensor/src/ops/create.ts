import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import { type DType, type OfShape, type Scalar, type Shape, sizeOf, type Tensor } from '../types.ts'

type Values = tf.TensorLike | Float64Array

/** A tensor of the given values (doubles are rounded to float32); `shape` may be left out for nested arrays. */
export function tensor<const S extends Shape>(values: Values, shape?: S, dtype?: DType): OfShape<S> {
  const data = values instanceof Float64Array ? Float32Array.from(values) : values
  return tf.tensor(data, shape as unknown as number[] | undefined, dtype) as unknown as OfShape<S>
}

/**
 * A float32 tensor whose memory is the array itself where the backend can have it so: for large values that were read or
 * computed for this tensor alone. Nobody may write to the array afterwards. values (product of shape)
 * @throws ShapeError where the shape has another number of elements than the array
 */
export function adopt(values: Float32Array, shape: Shape): Tensor {
  if (values.length !== sizeOf(shape)) {
    throw new ShapeError('adopt-shape', `adopt: [${shape}] wants ${sizeOf(shape)} numbers, got ${values.length}.`)
  }
  const backend = tf.backend() as unknown as Adopting
  if (!backend.adopts) return tf.tensor(values, [...shape])
  const info = backend.makeTensorInfo([...shape], 'float32', values)
  return tf.engine().makeTensorFromTensorInfo(info)
}

/** A backend that holds plain arrays, and takes them over as its kernels' results. */
interface Adopting {
  readonly adopts?: boolean
  makeTensorInfo(shape: number[], dtype: DType, values: Float32Array): tf.TensorInfo
}

/** A tensor without axes. */
export function scalar(value: number, dtype: DType = 'float32'): Scalar {
  return tf.scalar(value, dtype)
}

/** Zeros of a shape. */
export function zeros<const S extends Shape>(shape: S, dtype: DType = 'float32'): OfShape<S> {
  return tf.zeros(shape as unknown as number[], dtype) as unknown as OfShape<S>
}

/** Ones of a shape. */
export function ones<const S extends Shape>(shape: S, dtype: DType = 'float32'): OfShape<S> {
  return tf.ones(shape as unknown as number[], dtype) as unknown as OfShape<S>
}

/** `value` at every place of a shape. */
export function full<const S extends Shape>(shape: S, value: number, dtype: DType = 'float32'): OfShape<S> {
  return tf.fill(shape as unknown as number[], value, dtype) as unknown as OfShape<S>
}

/** Zeros of the shape and type of x. */
export function zerosLike<T extends Tensor>(x: T): T {
  return tf.zerosLike(x)
}

/** Ones of the shape and type of x. */
export function onesLike<T extends Tensor>(x: T): T {
  return tf.onesLike(x)
}

/** start, start + step, ... below stop. */
export function range(start: number, stop: number, step = 1, dtype: 'float32' | 'int32' = 'int32'): tf.Tensor1D {
  return tf.range(start, stop, step, dtype)
}

/** ids (...) -> (..., depth), one where the id is, zero elsewhere (and everywhere for ids outside 0..depth-1). */
export function oneHot(ids: Tensor, depth: number): Tensor {
  // int32 and then a cast: tfjs' wasm kernel writes the bits of an integer 1 into a float32 result
  return tf.cast(tf.oneHot(ids.dtype === 'int32' ? ids : tf.cast(ids, 'int32'), depth, 1, 0, 'int32'), 'float32')
}

/** x as another type: float32 to int32 drops the fraction, anything but 0 is true as bool. */
export function cast<T extends Tensor>(x: T, dtype: DType): T {
  return tf.cast(x, dtype)
}
