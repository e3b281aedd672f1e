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

function decodeCodes(
  bytes: Uint8Array,
  from: number,
  levels: readonly number[],
  scale: number,
  out: Float32Array,
  to: number,
): void {
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + i]!
    out[to + i] = scale * levels[byte & 15]!
    out[to + 16 + i] = scale * levels[byte >> 4]!
  }
}
