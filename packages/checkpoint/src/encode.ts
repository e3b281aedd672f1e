import { bytesPerElement, type Dtype, type TensorValues } from './dtypes.ts'
import { narrowToBfloat16, narrowToFloat16, wordsOf } from './half.ts'
import { refuse } from './refuse.ts'

const rangeOf: Partial<Record<Dtype, readonly [number, number]>> = {
  I32: [-2147483648, 2147483647],
  I16: [-32768, 32767],
  I8: [-128, 127],
  U32: [0, 4294967295],
  U16: [0, 65535],
  U8: [0, 255],
  BOOL: [0, 1],
}

/**
 * Values as the little-endian bytes of a dtype, row-major. Floats go to any float dtype but F8 (F16 and BF16 round to
 * nearest even; a finite number beyond F16's 65504 is refused), integers to any integer dtype that holds each of them.
 * Where the dtype is the values' own, the bytes are the values' memory, not a copy.
 */
export function bytesOf(values: TensorValues, dtype: Dtype, who: string): Uint8Array {
  return asBytes(convert(values, dtype, who))
}

const asBytes = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

function convert(values: TensorValues, dtype: Dtype, who: string): ArrayBufferView {
  if (values instanceof Float32Array || values instanceof Float64Array) return convertFloats(values, dtype, who)
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    if (dtype === 'I64' && values instanceof BigInt64Array) return values
    if (dtype === 'U64' && values instanceof BigUint64Array) return values
  }
  if (dtype === 'I64' || dtype === 'U64') return convertTo64(values, dtype, who)
  const range = rangeOf[dtype]
  if (!range) refuse('encode-dtype', who, `integers cannot be written as ${dtype}.`)
  const small = values as Exclude<TensorValues, BigInt64Array | BigUint64Array>
  const [low, high] = range
  for (let i = 0; i < small.length; i++) {
    if (!(Number(small[i]) >= low && Number(small[i]) <= high)) {
      refuse('encode-range', who, `${small[i]} at index ${i} does not fit ${dtype}.`)
    }
  }
  switch (dtype) {
    case 'I32':
      return small instanceof Int32Array ? small : Int32Array.from(small, Number)
    case 'I16':
      return small instanceof Int16Array ? small : Int16Array.from(small, Number)
    case 'I8':
      return small instanceof Int8Array ? small : Int8Array.from(small, Number)
    case 'U32':
      return small instanceof Uint32Array ? small : Uint32Array.from(small, Number)
    case 'U16':
      return small instanceof Uint16Array ? small : Uint16Array.from(small, Number)
    default:
      return small instanceof Uint8Array ? small : Uint8Array.from(small, Number)
  }
}

function convertTo64(values: TensorValues, dtype: 'I64' | 'U64', who: string): ArrayBufferView {
  const [low, end] = dtype === 'I64' ? [-(2n ** 63n), 2n ** 63n] : [0n, 2n ** 64n]
  const out = dtype === 'I64' ? new BigInt64Array(values.length) : new BigUint64Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = BigInt(values[i]!)
    if (value < low || value >= end) refuse('encode-range', who, `${value} at index ${i} does not fit ${dtype}.`)
    out[i] = value
  }
  return out
}

function convertFloats(values: Float32Array | Float64Array, dtype: Dtype, who: string): ArrayBufferView {
  if (dtype === 'F64') return values instanceof Float64Array ? values : Float64Array.from(values)
  const words = wordsOf(values)
  if (dtype === 'F32') return words
  if (dtype === 'BF16') return narrowToBfloat16(words)
  if (dtype !== 'F16') refuse('encode-dtype', who, `real numbers cannot be written as ${dtype}.`)
  const out = narrowToFloat16(words)
  for (let i = 0; i < out.length; i++) {
    if ((out[i]! & 0x7fff) === 0x7c00 && Number.isFinite(values[i]!)) {
      refuse('encode-range', who, `${values[i]} at index ${i} is beyond F16's 65504; write BF16 or F32.`)
    }
  }
  return out
}

/** Bytes that a tensor takes in a file. */
export function byteLengthOf(dtype: Dtype, shape: readonly number[]): number {
  return shape.reduce((size, d) => size * d, bytesPerElement[dtype])
}
