import * as tf from '#tfjs'
import { fromBf16, toBf16 } from './bf16.ts'
import { ShapeError } from './errors.ts'
import { type Shape, sizeOf, type Tensor } from './types.ts'

/**
 * The numbers of a parameter in one format. Float32 stores hand out their tensor; packed ones decode at each use. To hold
 * weights in another format, implement this and hand it to `Parameter.setStore`.
 */
export interface WeightStore {
  readonly format: string
  readonly shape: number[]
  /** Bytes held. */
  readonly bytes: number
  /** float32 of `shape`: the store's own tensor, or one decoded into the current tidy. */
  dense(): Tensor
  /** Rows `ids` (int32, any shape) of a matrix (V, C), decoded: (ids..., C). */
  gather(ids: Tensor): Tensor
  dispose(): void
}

/** float32 on the backend. */
export class DenseStore implements WeightStore {
  readonly format = 'float32'
  readonly #tensor: Tensor

  /** Owns `tensor`, which must be kept. */
  constructor(tensor: Tensor) {
    this.#tensor = tensor
  }

  get shape(): number[] {
    return this.#tensor.shape
  }

  get bytes(): number {
    return 4 * this.#tensor.size
  }

  dense(): Tensor {
    return this.#tensor
  }

  gather(ids: Tensor): Tensor {
    return tf.gather(this.#tensor, ids as tf.Tensor1D)
  }

  dispose(): void {
    this.#tensor.dispose()
  }
}

/** bfloat16 bits on the host: half the bytes, eight bits of precision. */
export class Bf16Store implements WeightStore {
  readonly format = 'bf16'
  readonly shape: number[]
  readonly bits: Uint16Array

  constructor(shape: Shape, bits: Uint16Array) {
    if (bits.length !== sizeOf(shape)) {
      throw new ShapeError(
        'store-size',
        `Bf16Store: wanted ${sizeOf(shape)} numbers for [${shape}], got ${bits.length}.`,
      )
    }
    this.shape = [...shape]
    this.bits = bits
  }

  static from(values: Float32Array, shape: Shape): Bf16Store {
    return new Bf16Store(shape, toBf16(values))
  }

  get bytes(): number {
    return this.bits.byteLength
  }

  dense(): Tensor {
    return tf.tensor(fromBf16(this.bits), this.shape)
  }

  gather(ids: Tensor): Tensor {
    return tf.gather(this.dense(), ids as tf.Tensor1D)
  }

  dispose(): void {}
}
