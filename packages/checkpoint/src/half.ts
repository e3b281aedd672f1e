/**
 * The short floats and float32, as patterns of bits. Widening is exact; narrowing rounds to nearest, ties to even (IEEE 754).
 */

/** float32 bits of every float16 pattern. */
function halfTable(): Uint32Array {
  const table = new Uint32Array(65536)
  for (let h = 0; h < 65536; h++) {
    const sign = (h & 0x8000) << 16
    const exponent = (h >> 10) & 0x1f
    let mantissa = h & 0x3ff
    if (exponent === 0x1f) table[h] = sign | 0x7f800000 | (mantissa << 13)
    else if (exponent !== 0) table[h] = sign | ((exponent + 112) << 23) | (mantissa << 13)
    else if (mantissa === 0) table[h] = sign
    else {
      let shift = 0 // a subnormal: normalise it
      while ((mantissa & 0x400) === 0) {
        mantissa <<= 1
        shift++
      }
      table[h] = sign | ((113 - shift) << 23) | ((mantissa & 0x3ff) << 13)
    }
  }
  return table
}

/** float32 bits of every byte of an 8-bit float; `fn` marks the variant without infinities (only S.1111.111 is NaN). */
function byteFloatTable(exponentBits: number, fn: boolean): Uint32Array {
  const mantissaBits = 7 - exponentBits
  const bias = 2 ** (exponentBits - 1) - 1
  const top = 2 ** exponentBits - 1
  const valueAt = (b: number): number => {
    const sign = b & 0x80 ? -1 : 1
    const exponent = (b & 0x7f) >> mantissaBits
    const mantissa = b & (2 ** mantissaBits - 1)
    if (fn ? (b & 0x7f) === 0x7f : exponent === top && mantissa > 0) return Number.NaN
    if (!fn && exponent === top) return sign * Number.POSITIVE_INFINITY
    const fraction = mantissa / 2 ** mantissaBits
    return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias))
  }
  return Uint32Array.from({ length: 256 }, (_, b) => {
    scratch.setFloat32(0, valueAt(b))
    return scratch.getUint32(0)
  })
}

const scratch = new DataView(new ArrayBuffer(4))

const lazily = <T>(make: () => T) => {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

const float16 = lazily(halfTable)
const float8e4m3 = lazily(() => byteFloatTable(4, true))
const float8e5m2 = lazily(() => byteFloatTable(5, false))

/** Widens float16 to float32, into `words` from index `at`. */
export function widenFloat16(bits: Uint16Array, words: Uint32Array, at = 0): void {
  const table = float16()
  for (let i = 0; i < bits.length; i++) words[at + i] = table[bits[i]!]!
}

/** Widens bfloat16 (the upper half of a float32) to float32, into `words` from index `at`. */
export function widenBfloat16(bits: Uint16Array, words: Uint32Array, at = 0): void {
  for (let i = 0; i < bits.length; i++) words[at + i] = bits[i]! << 16
}

/** Widens 8-bit floats (OCP: E4M3 without infinities, or E5M2) to float32, into `words` from index `at`. */
export function widenFloat8(kind: 'F8_E4M3' | 'F8_E5M2', bytes: Uint8Array, words: Uint32Array, at = 0): void {
  const table = kind === 'F8_E4M3' ? float8e4m3() : float8e5m2()
  for (let i = 0; i < bytes.length; i++) words[at + i] = table[bytes[i]!]!
}

/** One float16 pattern as a number. */
export function float16Value(bits: number): number {
  scratch.setUint32(0, float16()[bits]!)
  return scratch.getFloat32(0)
}

/** float32 to bfloat16 patterns; NaN stays a quiet NaN. */
export function narrowToBfloat16(words: Uint32Array): Uint16Array {
  const out = new Uint16Array(words.length)
  for (let i = 0; i < words.length; i++) {
    const w = words[i]!
    out[i] = (w & 0x7fffffff) > 0x7f800000 ? (w >>> 16) | 0x40 : (w + 0x7fff + ((w >>> 16) & 1)) >>> 16
  }
  return out
}

/** float32 to float16 patterns; beyond 65504 becomes infinite, NaN stays a quiet NaN. */
export function narrowToFloat16(words: Uint32Array): Uint16Array {
  const out = new Uint16Array(words.length)
  for (let i = 0; i < words.length; i++) out[i] = narrowWord(words[i]!)
  return out
}

function narrowWord(w: number): number {
  const sign = (w >>> 16) & 0x8000
  const magnitude = w & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff)
  if (magnitude >= 0x47800000) return sign | 0x7c00 // 65536 and up
  if (magnitude >= 0x38800000) {
    // a normal half: 2^-14 and up; the carry of the rounding may walk into the exponent, up to infinity
    const rebased = magnitude - 0x38000000
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13)
  }
  if (magnitude < 0x33000000) return sign // below half of the least subnormal
  const shift = 126 - (magnitude >>> 23) // 14 to 24 bits fall off the 24-bit mantissa
  const mantissa = (magnitude & 0x7fffff) | 0x800000
  const kept = mantissa >>> shift
  const rest = mantissa & (2 ** shift - 1)
  const half = 2 ** (shift - 1)
  return sign | (rest > half || (rest === half && kept & 1) ? kept + 1 : kept)
}

/** float32 values of bit patterns, in place. In a process whose Float32Array holds doubles, they come out as doubles. */
export function singlesOf(words: Uint32Array): Float32Array {
  if (Float32Array.BYTES_PER_ELEMENT === 4) return new Float32Array(words.buffer, words.byteOffset, words.length)
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength)
  return Float32Array.from(words, (_, i) => view.getFloat32(4 * i, true))
}

/** float32 bit patterns of values: their own memory where it can be, rounded to nearest where they are doubles. */
export function wordsOf(values: Float32Array | Float64Array): Uint32Array {
  if (values.BYTES_PER_ELEMENT === 4) return new Uint32Array(values.buffer, values.byteOffset, values.length)
  const words = new Uint32Array(values.length)
  const view = new DataView(words.buffer)
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i]!, true)
  return words
}
