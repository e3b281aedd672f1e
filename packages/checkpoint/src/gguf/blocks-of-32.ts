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
  const d = halfAt(bytes, from)
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 2 + i]!
    out[to + i] = d * ((byte & 15) - 8)
    out[to + 16 + i] = d * ((byte >> 4) - 8)
  }
}

/** d, m, 16 bytes of halves: d q + m. */
export const decodeQ4_1: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from)
  const m = halfAt(bytes, from + 2)
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 4 + i]!
    out[to + i] = d * (byte & 15) + m
    out[to + 16 + i] = d * (byte >> 4) + m
  }
}

/** d, the 32 fifth bits, 16 bytes of halves: d (q - 16). */
export const decodeQ5_0: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from)
  const fifth = wordAt(bytes, from + 2)
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 6 + i]!
    out[to + i] = d * (((byte & 15) | (((fifth >>> i) & 1) << 4)) - 16)
    out[to + 16 + i] = d * (((byte >> 4) | (((fifth >>> (16 + i)) & 1) << 4)) - 16)
  }
}

/** d, m, the 32 fifth bits, 16 bytes of halves: d q + m. */
export const decodeQ5_1: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from)
  const m = halfAt(bytes, from + 2)
  const fifth = wordAt(bytes, from + 4)
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + 8 + i]!
    out[to + i] = d * ((byte & 15) | (((fifth >>> i) & 1) << 4)) + m
    out[to + 16 + i] = d * ((byte >> 4) | (((fifth >>> (16 + i)) & 1) << 4)) + m
  }
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
