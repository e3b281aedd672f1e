/** Little-endian readers that do not lean on typed arrays: a process may have swapped Float32Array for doubles. */
const READERS: Record<string, { width: number; read: (view: DataView, at: number) => number }> = {
  F64: { width: 8, read: (view, at) => view.getFloat64(at, true) },
  F32: { width: 4, read: (view, at) => view.getFloat32(at, true) },
  F16: { width: 2, read: (view, at) => fromHalf(view.getUint16(at, true)) },
  BF16: { width: 2, read: (view, at) => fromBfloat(view.getUint16(at, true)) },
  I64: { width: 8, read: (view, at) => wholeNumber(view.getBigInt64(at, true)) },
  U64: { width: 8, read: (view, at) => wholeNumber(view.getBigUint64(at, true)) },
  I32: { width: 4, read: (view, at) => view.getInt32(at, true) },
  U32: { width: 4, read: (view, at) => view.getUint32(at, true) },
  I16: { width: 2, read: (view, at) => view.getInt16(at, true) },
  U16: { width: 2, read: (view, at) => view.getUint16(at, true) },
  I8: { width: 1, read: (view, at) => view.getInt8(at) },
  U8: { width: 1, read: (view, at) => view.getUint8(at) },
  BOOL: { width: 1, read: (view, at) => view.getUint8(at) },
}

export const isFloat = (dtype: string): boolean => /^B?F\d/.test(dtype)

/** The stored bytes of one tensor as doubles. */
export function decode(dtype: string, bytes: Uint8Array, name: string): Float64Array {
  const reader = READERS[dtype]
  if (!reader) throw new Error(`Golden tensor '${name}': unknown data type ${dtype}.`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Float64Array.from({ length: bytes.byteLength / reader.width }, (_, i) => reader.read(view, i * reader.width))
}

function wholeNumber(value: bigint): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new Error(`${value} does not fit a double exactly.`)
  return number
}

const scratch = new DataView(new ArrayBuffer(4))

function fromBfloat(bits: number): number {
  scratch.setUint32(0, bits << 16)
  return scratch.getFloat32(0)
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction)
}
