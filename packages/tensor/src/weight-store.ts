import * as tf from '#tfjs'
import { fromBf16, toBf16 } from './bf16.ts'
import { engine } from './engine.ts'
import { ShapeError } from './errors.ts'
import { linear } from './fused/linear.ts'
import { kernelOf } from './kernel-call.ts'
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
  /** x (..., I) by the transposed matrix (O, I): (..., O). Off the tape; `linearBy` gives it a gradient. */
  product(x: Tensor): Tensor
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

  product(x: Tensor): Tensor {
    return linear(x, this.#tensor)
  }

  gather(ids: Tensor): Tensor {
    return tf.gather(this.#tensor, ids as tf.Tensor1D)
  }

  dispose(): void {
    this.#tensor.dispose()
  }
}

/** How numbers lie in blocks of bytes. */
export interface BlockFormat {
  /** `bf16`, `f16`, or a type of GGUF: `Q4_K`. */
  readonly name: string
  /** Numbers of a block, and its bytes. */
  readonly elements: number
  readonly bytes: number
  /** Decodes `count` numbers, whole blocks from the beginning of `bytes`. */
  decode(bytes: Uint8Array, count: number): Float32Array
}

/**
 * Numbers in blocks on the host, as a file has them: 16-bit floats, or four to eight bits with a scale for each block. A
 * row (the last axis) is whole blocks. Backends with a kernel for the format read them where they lie; elsewhere they are
 * decoded at each use.
 */
export class BlockStore implements WeightStore {
  readonly shape: number[]
  readonly blocks: BlockFormat
  readonly data: Uint8Array

  constructor(shape: Shape, blocks: BlockFormat, data: Uint8Array) {
    const size = sizeOf(shape)
    const width = shape.at(-1) ?? 1
    if (width % blocks.elements !== 0) {
      throw new ShapeError(
        'store-row',
        `BlockStore: wanted rows of whole blocks of ${blocks.elements} (${blocks.name}), got [${shape}].`,
      )
    }
    const wanted = (size / blocks.elements) * blocks.bytes
    if (data.length !== wanted) {
      throw new ShapeError(
        'store-size',
        `BlockStore: wanted ${wanted} bytes for [${shape}] in ${blocks.name}, got ${data.length}.`,
      )
    }
    this.shape = [...shape]
    this.blocks = blocks
    this.data = data
  }

  get format(): string {
    return this.blocks.name
  }

  get bytes(): number {
    return this.data.length
  }

  dense(): Tensor {
    return tf.tensor(this.blocks.decode(this.data, sizeOf(this.shape)), this.shape)
  }

  product(x: Tensor): Tensor {
    const [rows, width] = this.shape as [number, number]
    const kernelName = `FilatureLinear:${this.format}`
    if (!kernelOf(kernelName)) return linear(x, this.dense())
    if (x.shape.at(-1) !== width) {
      throw new ShapeError(
        'linear-shape',
        `linear: wanted x (..., ${width}) for a weight [${this.shape}], got [${x.shape}].`,
      )
    }
    return engine.runKernelFunc({ kernelName, inputs: { x }, attrs: { bytes: this.data, rows } }) as Tensor
  }

  gather(ids: Tensor): Tensor {
    const [rows, width] = this.shape as [number, number]
    const kernelName = `FilatureGather:${this.format}`
    if (!kernelOf(kernelName)) return tf.gather(this.dense(), ids as tf.Tensor1D)
    const attrs = { bytes: this.data, rows, width }
    return engine.runKernelFunc({ kernelName, inputs: { ids }, attrs }) as Tensor
  }

  dispose(): void {}
}

const bf16: BlockFormat = {
  name: 'bf16',
  elements: 1,
  bytes: 2,
  decode: (bytes, count) => fromBf16(new Uint16Array(bytes.buffer, bytes.byteOffset, count)),
}

/** bfloat16: half the bytes, eight bits of precision. */
export class Bf16Store extends BlockStore {
  constructor(shape: Shape, bits: Uint16Array) {
    super(shape, bf16, new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength))
  }

  static from(values: Float32Array, shape: Shape): Bf16Store {
    return new Bf16Store(shape, toBf16(values))
  }
}
