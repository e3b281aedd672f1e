import { type DecodeBlock, halfAt } from './blocks-of-32.ts'

// Blocks whose numbers are codes of four bits that stand for levels, lying closer where weights are dense.

/** The levels of IQ4_NL and IQ4_XS. */
const uneven = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

/** Twice the sixteen numbers of FP4 (a sign, two bits of exponent, one of mantissa), so that they are whole. */
const twiceFp4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

/** A float16 d, 16 bytes of codes (low halves the first 16 numbers, high halves the other 16): d level. */
export const decodeIQ4_NL: DecodeBlock = (bytes, from, out, to) => {
  decodeCodes(bytes, from + 2, uneven, halfAt(bytes, from), out, to)
}

/**
 * 256 numbers: a float16 d, the high two bits (16-bit word) and the low four bits (4 bytes) of the sub-scales s of eight
 * sub-blocks, whose codes follow as in IQ4_NL: d (s - 32) level.
 */
export const decodeIQ4_XS: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from)
  const highs = bytes[from + 2]! | (bytes[from + 3]! << 8)
  for (let sub = 0; sub < 8; sub++) {
    const low = (bytes[from + 4 + (sub >> 1)]! >> (4 * (sub & 1))) & 15
    const scale = d * ((low | (((highs >> (2 * sub)) & 3) << 4)) - 32)
    decodeCodes(bytes, from + 8 + 16 * sub, uneven, scale, out, to + 32 * sub)
  }
}

/** MXFP4 (OCP Microscaling Formats 1.0): the exponent e of a scale, 16 bytes of codes as in IQ4_NL: 2^(e - 127) FP4. */
export const decodeMXFP4: DecodeBlock = (bytes, from, out, to) => {
  decodeCodes(bytes, from + 1, twiceFp4, 2 ** (bytes[from]! - 128), out, to)
}

/**
 * NVFP4: 64 numbers in four sub-blocks of 16. Four scales (E4M3), then 8 bytes of codes for each sub-block, the low
 * halves its first 8 numbers: scale FP4.
 */
export const decodeNVFP4: DecodeBlock = (bytes, from, out, to) => {
  for (let sub = 0; sub < 4; sub++) {
    decodeCodes(bytes, from + 4 + 8 * sub, twiceFp4, e4m3(bytes[from + sub]!) / 2, out, to + 16 * sub, 8)
  }
}

/** Four bits of exponent, three of mantissa; the sign's bit is not looked at, and what is no number counts as 0. */
function e4m3(byte: number): number {
  if (byte === 0x7f) return 0
  const exponent = (byte >> 3) & 15
  return exponent === 0 ? (byte & 7) / 512 : (8 + (byte & 7)) * 2 ** (exponent - 10)
}

/** `half` bytes: their low halves are the first numbers, their high halves as many more. */
function decodeCodes(
  bytes: Uint8Array,
  from: number,
  levels: readonly number[],
  scale: number,
  out: Float32Array,
  to: number,
  half = 16,
): void {
  for (let i = 0; i < half; i++) {
    const byte = bytes[from + i]!
    out[to + i] = scale * levels[byte & 15]!
    out[to + half + i] = scale * levels[byte >> 4]!
  }
}
