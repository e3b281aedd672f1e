/** Rounds float32 to bfloat16, to nearest and ties to even; a NaN stays one. */
export function toBf16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const b = bits[i]!
    const notANumber = (b & 0x7fffffff) > 0x7f800000
    out[i] = notANumber ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16
  }
  return out
}

/** Widens bfloat16 to float32, exactly. */
export function fromBf16(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length)
  for (let i = 0; i < out.length; i++) out[i] = bits[i]! << 16
  return new Float32Array(out.buffer)
}
