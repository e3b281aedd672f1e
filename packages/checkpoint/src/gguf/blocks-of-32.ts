import { float16Value } from '../half.ts'

/** Decodes the block at `from` into `out` from index `to`. */
export type DecodeBlock = (bytes: Uint8Array, from: number, out: Float32Array, to: number) => void

/** The float16 at a byte. */
export const halfAt = (bytes: Uint8Array, at: number): number => float16Value(bytes[at]! | (bytes[at + 1]! << 8))

export const signedByte = (byte: number): number => (byte << 24) >> 24

// A block of 32 numbers q under a float16 scale d, some with a float16 offset m. Halves of bytes: the low ones are the
// first 16 numbers, the high ones the other 16.

/** d, 32 signed bytes: d q. */
export const decodeQ8_0: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from)
  for (let i = 0; i < 32; i++) out[to + i] = d * signedByte(bytes[from + 2 + i]!)
}

/** d, 16 bytes of halves: d (q - 8). */
export const decodeQ4_0: DecodeBlock = (bytes, from, out, to) => {
  decodeHalves(bytes, from + 2, halfAt(bytes, from), 8, -0, out, to)
}

/** d, m, 16 bytes of halves: d q + m. */
export const decodeQ4_1: DecodeBlock = (bytes, from, out, to) => {
  decodeHalves(bytes, from + 4, halfAt(bytes, from), 0, halfAt(bytes, from + 2), out, to)
}

/** d, the 32 fifth bits, 16 bytes of halves: d (q - 16). */
export const decodeQ5_0: DecodeBlock = (bytes, from, out, to) => {
  decodeWithFifths(bytes, from + 2, halfAt(bytes, from), 16, -0, out, to)
}

/** d, m, the 32 fifth bits, 16 bytes of halves: d q + m. */
export const decodeQ5_1: DecodeBlock = (bytes, from, out, to) => {
  decodeWithFifths(bytes, from + 4, halfAt(bytes, from), 0, halfAt(bytes, from + 2), out, to)
}

type DecodeLine = (
  bytes: Uint8Array,
  from: number,
  d: number,
  zero: number,
  m: number,
  out: Float32Array,
  to: number,
) => void

/** d (q - zero) + m; an m of -0 leaves alone even the sign of a zero. */
const decodeHalves: DecodeLine = (bytes, from, d, zero, m, out, to) => {
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + i]!
    out[to + i] = d * ((byte & 15) - zero) + m
    out[to + 16 + i] = d * ((byte >> 4) - zero) + m
  }
}

/** The same with the fifth bits as a word of 32 ahead of the halves. */
const decodeWithFifths: DecodeLine = (bytes, from, d, zero, m, out, to) => {
  const fifths = bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16) | (bytes[from + 3]! << 24)
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 4 + i]!
    out[to + i] = d * (((byte & 15) | (((fifths >>> i) & 1) << 4)) - zero) + m
    out[to + 16 + i] = d * (((byte >> 4) | (((fifths >>> (16 + i)) & 1) << 4)) - zero) + m
  }
}
