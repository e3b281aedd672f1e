import { type DecodeBlock, halfAt } from './blocks-of-32.ts'

// Blocks whose numbers are -d, 0 or d, for networks trained with such weights (BitNet b1.58, Ma et al. 2024).

/** 128 numbers: a float16 d, a bit each, the lowest of a byte first: d where it is set, -d where it is not. */
export const decodeQ1_0: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from)
  for (let i = 0; i < 128; i++) out[to + i] = (bytes[from + 2 + (i >> 3)]! >> (i & 7)) & 1 ? d : -d
}

/**
 * 256 numbers: 48 bytes of five digits to base 3, 4 bytes of four, a float16 d: d (digit - 1). The first digits of a run of bytes are
 * its first numbers; runs are 32, 16 and 4 bytes long.
 */
export const decodeTQ1_0: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from + 52)
  decodeDigits(bytes, from, 32, 5, d, out, to)
  decodeDigits(bytes, from + 32, 16, 5, d, out, to + 160)
  decodeDigits(bytes, from + 48, 4, 4, d, out, to + 240)
}

/** A byte is the fraction 0.abcde to base 3, in parts of 256: each times 3 brings the next digit before the point. */
function decodeDigits(
  bytes: Uint8Array,
  from: number,
  count: number,
  digits: number,
  d: number,
  out: Float32Array,
  to: number,
): void {
  for (let digit = 0, power = 1; digit < digits; digit++, power *= 3) {
    for (let i = 0; i < count; i++) {
      const rest = (bytes[from + i]! * power) & 255
      out[to + count * digit + i] = d * (((rest * 3) >> 8) - 1)
    }
  }
}

/** 256 numbers: 64 bytes of four numbers of two bits, a float16 d: d (q - 1). Each byte holds four numbers that lie 32 apart. */
export const decodeTQ2_0: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from + 64)
  for (let run = 0; run < 8; run++) {
    const at = from + 32 * (run >> 2)
    const shift = 2 * (run & 3)
    for (let i = 0; i < 32; i++) out[to + 32 * run + i] = d * (((bytes[at + i]! >> shift) & 3) - 1)
  }
}
