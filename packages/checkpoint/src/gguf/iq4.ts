import { type DecodeBlock, halfAt } from './blocks-of-32.ts'

/** What the 16 codes stand for: levels that lie closer where weights are dense. */
const levels = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

/** A float16 d, 16 bytes of codes (low halves the first 16 numbers, high halves the other 16): d level. */
export const decodeIQ4_NL: DecodeBlock = (bytes, from, out, to) => {
  decodeCodes(bytes, from + 2, halfAt(bytes, from), out, to)
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
    decodeCodes(bytes, from + 8 + 16 * sub, scale, out, to + 32 * sub)
  }
}

function decodeCodes(bytes: Uint8Array, from: number, scale: number, out: Float32Array, to: number): void {
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + i]!
    out[to + i] = scale * levels[byte & 15]!
    out[to + 16 + i] = scale * levels[byte >> 4]!
  }
}
