import * as tf from '#tfjs'
import { ShapeError, UsageError } from './errors.ts'
import type { Initializer } from './init.ts'
import { keep } from './memory.ts'
import { type DType, type Shape, sameShape, sizeOf, type Tensor } from './types.ts'
import { DenseStore, type WeightStore } from './weight-store.ts'

const PARAMETER = Symbol.for('@filature/tensor/Parameter')
const BUFFER = Symbol.for('@filature/tensor/Buffer')

/** A trainable array of a module: an identity with a shape. Its numbers live in a WeightStore, once there are any. */
export class Parameter {
  readonly [PARAMETER] = true
  readonly shape: number[]
  readonly init: Initializer
  /** Whether training changes it; a frozen parameter gets no gradient. */
  trainable = true
  #store: WeightStore | undefined
  #substitute: Tensor | undefined

  constructor(shape: Shape, init: Initializer) {
    this.shape = [...shape]
    this.init = init
  }

  get size(): number {
    return sizeOf(this.shape)
  }

  get hasValue(): boolean {
    return this.#store !== undefined
  }

  get store(): WeightStore {
    if (!this.#store) {
      throw new UsageError(
        'parameter-empty',
        `A parameter of shape [${this.shape}] has no value yet: call init(model, rng) or load(model, checkpoint) first.`,
      )
    }
    return this.#store
  }

  /** The numbers as float32 of the parameter's shape; a packed store decodes them anew at each call. */
  get value(): Tensor {
    return this.#substitute ?? this.store.dense()
  }

  /** Whether `value` is a stand-in (see `substitute`). */
  get isSubstituted(): boolean {
    return this.#substitute !== undefined
  }

  /** Whether products should ask the store (packed weights) instead of reading `value`. */
  get isPacked(): boolean {
    return this.#substitute === undefined && this.#store !== undefined && this.#store.format !== 'float32'
  }

  /** Takes over a tensor of the parameter's shape (the tensor stays the caller's; its data is shared). */
  assign(value: Tensor): void {
    if (!sameShape(value.shape, this.shape)) {
      throw new ShapeError('parameter-shape', `Parameter: wanted a value of [${this.shape}], got [${value.shape}].`)
    }
    this.setStore(new DenseStore(keep(tf.clone(value))))
  }

  /** Puts a store in place of the one at hand, which is freed. */
  setStore(store: WeightStore): void {
    if (!sameShape(store.shape, this.shape)) {
      throw new ShapeError('parameter-shape', `Parameter: wanted a store of [${this.shape}], got [${store.shape}].`)
    }
    this.#store?.dispose()
    this.#store = store
  }

  /** Runs `fn` with `value` standing in for the stored numbers: a functional gradient, a merged adapter, a probe. */
  substitute<T>(value: Tensor, fn: () => T): T {
    const before = this.#substitute
    this.#substitute = value
    try {
      return fn()
    } finally {
      this.#substitute = before
    }
  }

  dispose(): void {
    this.#store?.dispose()
    this.#store = undefined
  }
}

/** Numbers that a buffer derives, by its type: float32, int32, bool. */
export type HostArray = Float32Array | Int32Array | Uint8Array

/**
 * What a module stores and nobody trains: position ids, masks, frequency tables. A derived buffer computes its own
 * values; a checkpoint that stores it is checked against them.
 */
export class Buffer {
  readonly [BUFFER] = true
  readonly shape: number[]
  readonly dtype: DType
  /** Data type in a checkpoint file. */
  readonly fileType: 'F32' | 'I64' | 'I32' | 'U8' | 'BOOL'
  /** Whether saving writes it. */
  readonly persistent: boolean
  readonly derive: (() => HostArray) | undefined
  #value: Tensor | undefined

  constructor(
    shape: Shape,
    {
      derive,
      dtype = 'float32',
      fileType = dtype === 'float32' ? 'F32' : dtype === 'bool' ? 'BOOL' : 'I64',
      persistent = true,
    }: { derive?: () => HostArray; dtype?: DType; fileType?: Buffer['fileType']; persistent?: boolean } = {},
  ) {
    this.shape = [...shape]
    this.derive = derive
    this.dtype = dtype
    this.fileType = fileType
    this.persistent = persistent
  }

  get value(): Tensor {
    if (!this.#value) {
      if (!this.derive) {
        throw new UsageError('buffer-empty', `A buffer of shape [${this.shape}] has no value yet: load a checkpoint.`)
      }
      this.#value = keep(tf.tensor(this.derive(), this.shape, this.dtype))
    }
    return this.#value
  }

  assign(value: Tensor): void {
    if (!sameShape(value.shape, this.shape)) {
      throw new ShapeError('buffer-shape', `Buffer: wanted a value of [${this.shape}], got [${value.shape}].`)
    }
    const next = keep(tf.clone(value))
    this.#value?.dispose()
    this.#value = next
  }

  dispose(): void {
    this.#value?.dispose()
    this.#value = undefined
  }
}

const branded = (x: unknown, brand: symbol): boolean => typeof x === 'object' && x !== null && brand in x

// Brands instead of instanceof: a model survives two copies of this file in a bundle.
export const isParameter = (x: unknown): x is Parameter => branded(x, PARAMETER)
export const isBuffer = (x: unknown): x is Buffer => branded(x, BUFFER)
