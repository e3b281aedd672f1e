import type { Dtype } from '../dtypes.ts'

/** What a pickle may hold once read. Tuples are frozen arrays; keys of dictionaries stay what they were. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | readonly PickleValue[]
  | PickleDict
  | Set<PickleValue>
  | GlobalName
  | Storage
  | StridedView

export type PickleDict = Map<PickleValue, PickleValue>

/** A class or function that a pickle names. It is a name here: there is nothing behind it that could run. */
export class GlobalName {
  readonly module: string
  readonly name: string

  constructor(module: string, name: string) {
    this.module = module
    this.name = name
  }

  toString(): string {
    return `${this.module}.${this.name}`
  }
}

/** The array behind one or more tensors. `dtype` is undefined for untyped bytes; their tensors then say it. */
export class Storage {
  readonly key: string
  readonly dtype: Dtype | undefined
  /** In elements, bytes where untyped. */
  readonly size: number
  /** Device it was saved from; it loads all the same. */
  readonly location: string
  /** First element, for the views into storages that old files have. */
  readonly start: number

  constructor(key: string, dtype: Dtype | undefined, size: number, location: string, start = 0) {
    this.key = key
    this.dtype = dtype
    this.size = size
    this.location = location
    this.start = start
  }
}

/** A tensor: a strided window, in elements, on a storage. */
export class StridedView {
  readonly storage: Storage
  readonly dtype: Dtype
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly count: number

  constructor(
    storage: Storage,
    dtype: Dtype,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
    count: number,
  ) {
    this.storage = storage
    this.dtype = dtype
    this.offset = offset
    this.shape = shape
    this.strides = strides
    this.count = count
  }

  /** Row-major without gaps. */
  get isContiguous(): boolean {
    let step = 1
    for (let i = this.shape.length - 1; i >= 0; i--) {
      if (this.shape[i] !== 1 && this.strides[i] !== step) return false
      step *= this.shape[i]!
    }
    return true
  }
}

export const isTuple = (value: PickleValue): value is readonly PickleValue[] =>
  Array.isArray(value) && Object.isFrozen(value)
