import type { ByteSource } from './byte-source.ts'
import { bytesPerElement, type Dtype, type TensorValues } from './dtypes.ts'
import { singlesOf, widenBfloat16, widenFloat8, widenFloat16 } from './half.ts'
import { refuse } from './refuse.ts'
import { allocate } from './sources/range.ts'

/** Bytes held at once beside the result while short floats are widened. */
const chunkBytes = 8 << 20

const narrow: ReadonlySet<Dtype> = new Set(['F16', 'BF16', 'F8_E4M3', 'F8_E5M2'])

/**
 * Reads `count` elements at `offset`. The dtypes that keep their width are read straight into the array that is
 * returned; the short floats pass through a chunk of 8 MiB.
 */
export async function readValues(
  source: ByteSource,
  offset: number,
  dtype: Dtype,
  count: number,
  who: string,
): Promise<TensorValues> {
  const width = bytesPerElement[dtype]
  if (!narrow.has(dtype)) return valuesOf(dtype, await source.read(offset, count * width), who)
  const out = allocate(who, 4 * count, () => new Uint32Array(count))
  const step = chunkBytes / width
  for (let at = 0; at < count; at += step) {
    widen(dtype, await source.read(offset + at * width, Math.min(step, count - at) * width), out, at)
  }
  return singlesOf(out)
}

/** Little-endian bytes as values; takes `bytes` over where its alignment allows. */
export function valuesOf(dtype: Dtype, bytes: Uint8Array, who: string): TensorValues {
  const width = bytesPerElement[dtype]
  const { buffer, byteOffset } = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
  const count = bytes.byteLength / width
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer, byteOffset, count)
    case 'F32':
      return singlesOf(new Uint32Array(buffer, byteOffset, count))
    case 'I64':
      return new BigInt64Array(buffer, byteOffset, count)
    case 'I32':
      return new Int32Array(buffer, byteOffset, count)
    case 'I16':
      return new Int16Array(buffer, byteOffset, count)
    case 'I8':
      return new Int8Array(buffer, byteOffset, count)
    case 'U64':
      return new BigUint64Array(buffer, byteOffset, count)
    case 'U32':
      return new Uint32Array(buffer, byteOffset, count)
    case 'U16':
      return new Uint16Array(buffer, byteOffset, count)
    case 'U8':
      return new Uint8Array(buffer, byteOffset, count)
    case 'BOOL': {
      const values = new Uint8Array(buffer, byteOffset, count)
      const bad = values.findIndex((v) => v > 1)
      if (bad >= 0) refuse('bool-value', who, `wanted 0 or 1 in a BOOL tensor, got ${values[bad]} at index ${bad}.`)
      return values
    }
    default: {
      const out = allocate(who, 4 * count, () => new Uint32Array(count))
      widen(dtype, bytes, out, 0)
      return singlesOf(out)
    }
  }
}

function widen(dtype: Dtype, bytes: Uint8Array, out: Uint32Array, at: number): void {
  if (dtype === 'F8_E4M3' || dtype === 'F8_E5M2') {
    widenFloat8(dtype, bytes, out, at)
    return
  }
  const { buffer, byteOffset } = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()
  const bits = new Uint16Array(buffer, byteOffset, bytes.byteLength / 2)
  if (dtype === 'F16') widenFloat16(bits, out, at)
  else widenBfloat16(bits, out, at)
}

/** Values as float32. F64 is rounded; integers and truth values must be exact (up to 2^24) or are refused. */
export function toFloat32(values: TensorValues, who: string): Float32Array {
  if (values instanceof Float32Array) return values
  if (values instanceof Float64Array) return Float32Array.from(values)
  const out = allocate(who, 4 * values.length, () => new Float32Array(values.length))
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    out[i] = Number(value)
    if (BigInt(out[i]!) !== BigInt(value)) {
      refuse('inexact-integer', who, `the integer ${value} at index ${i} has no exact float32.`)
    }
  }
  return out
}

/** Integers and truth values as int32, each checked to fit; floats are refused. */
export function toInt32(values: TensorValues, who: string): Int32Array {
  if (values instanceof Int32Array) return values
  if (values instanceof Float32Array || values instanceof Float64Array) {
    refuse('float-for-integer', who, 'wanted integers, got real numbers.')
  }
  const out = allocate(who, 4 * values.length, () => new Int32Array(values.length))
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]!)
    if (value < -2147483648 || value > 2147483647) {
      refuse('integer-range', who, `the integer ${values[i]} at index ${i} does not fit int32.`)
    }
    out[i] = value
  }
  return out
}
