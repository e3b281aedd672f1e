import { type DecodeBlock, halfAt, signedByte } from './blocks-of-32.ts'

// K-quants: blocks of 256 numbers q, in sub-blocks of 16 or 32 whose scales (and offsets) are themselves short integers
// under the block's float16 scale d (and offset scale). Products are formed in double precision and rounded once.

/**
 * 16 bytes of sub-scales s (low halves) and sub-offsets m (high halves) for 16 sub-blocks of 16, 64 bytes of q (2 bits),
 * d, dm: d s q - dm m. Each byte of q holds four numbers that lie 32 apart; each half of the block has 32 bytes.
 */
export const decodeQ2_K: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from + 80)
  const dm = halfAt(bytes, from + 82)
  for (let sub = 0; sub < 16; sub++) {
    const packed = bytes[from + sub]!
    const scale = d * (packed & 15)
    const offset = dm * (packed >> 4)
    const { byte, shift } = twoBits(sub)
    for (let i = 0; i < 16; i++) {
      out[to + 16 * sub + i] = scale * ((bytes[from + 16 + byte + i]! >> shift) & 3) - offset
    }
  }
}

/** Where the two-bit numbers of the sub-block of 16 lie: their first byte, and their place in each. */
const twoBits = (sub: number) => ({ byte: 32 * (sub >> 3) + 16 * (sub & 1), shift: 2 * ((sub >> 1) & 3) })

/**
 * 32 bytes of third bits, 64 bytes of low two bits as in Q2_K, 12 bytes of 16 six-bit sub-scales s, d: d (s - 32) (q - 4).
 * The third bits of the n-th run of 32 numbers are the n-th bits of the 32 bytes.
 */
export const decodeQ3_K: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from + 108)
  for (let sub = 0; sub < 16; sub++) {
    // low four bits: eight bytes of halves; high two: four bytes of quarters
    const low = (bytes[from + 96 + (sub & 7)]! >> (4 * (sub >> 3))) & 15
    const high = (bytes[from + 104 + (sub & 3)]! >> (2 * (sub >> 2))) & 3
    const scale = d * ((low | (high << 4)) - 32)
    const { byte, shift } = twoBits(sub)
    for (let i = 0; i < 16; i++) {
      const third = (bytes[from + 16 * (sub & 1) + i]! >> (sub >> 1)) & 1
      const q = ((bytes[from + 32 + byte + i]! >> shift) & 3) | (third << 2)
      out[to + 16 * sub + i] = scale * (q - 4)
    }
  }
}

/** The six-bit sub-scale (`what` 0) or sub-offset (4) of one of eight sub-blocks, out of the 12 bytes at `at`. */
function sixBits(bytes: Uint8Array, at: number, sub: number, what: 0 | 4): number {
  if (sub < 4) return bytes[at + what + sub]! & 63
  const low = (bytes[at + 4 + sub]! >> what) & 15
  return low | ((bytes[at + what + sub - 4]! >> 6) << 4)
}

/**
 * d, dm, 12 bytes of eight six-bit sub-scales s and sub-offsets m for sub-blocks of 32, 128 bytes of q (4 bits):
 * d s q - dm m. A run of 32 bytes holds an even sub-block in its low halves, the next in its high halves.
 */
export const decodeQ4_K: DecodeBlock = (bytes, from, out, to) => decodeEighths(bytes, from, 16, 0, out, to)

/** As Q4_K, with 32 bytes before q: their n-th bits are the fifth bits of the n-th sub-block. */
export const decodeQ5_K: DecodeBlock = (bytes, from, out, to) => decodeEighths(bytes, from, 48, 1, out, to)

/** Numbers that begin `halves` into the block; `fifths` is 1 where the 32 bytes behind the sub-scales hold fifth bits. */
function decodeEighths(
  bytes: Uint8Array,
  from: number,
  halves: number,
  fifths: 0 | 1,
  out: Float32Array,
  to: number,
): void {
  const d = halfAt(bytes, from)
  const dm = halfAt(bytes, from + 2)
  for (let sub = 0; sub < 8; sub++) {
    const scale = d * sixBits(bytes, from + 4, sub, 0)
    const offset = dm * sixBits(bytes, from + 4, sub, 4)
    const run = from + halves + 32 * (sub >> 1)
    const shift = 4 * (sub & 1)
    for (let i = 0; i < 32; i++) {
      const fifth = (bytes[from + 16 + i]! >> sub) & fifths
      out[to + 32 * sub + i] = scale * (((bytes[run + i]! >> shift) & 15) | (fifth << 4)) - offset
    }
  }
}

/**
 * 128 bytes of low four bits, 64 of high two bits, 16 signed sub-scales s for sub-blocks of 16, d: d s (q - 32). Each
 * half of the block has 64 bytes of halves (numbers 0..63 in the low ones, 64..127 in the high ones) and 32 of quarters.
 */
export const decodeQ6_K: DecodeBlock = (bytes, from, out, to) => {
  const d = halfAt(bytes, from + 208)
  for (let sub = 0; sub < 16; sub++) {
    const scale = d * signedByte(bytes[from + 192 + sub]!)
    const half = sub >> 3
    const inHalf = 16 * (sub & 7)
    const low = from + 64 * half + (inHalf & 63)
    const lowShift = inHalf < 64 ? 0 : 4
    const high = from + 128 + 32 * half + (inHalf & 31)
    const highShift = 2 * (inHalf >> 5)
    for (let i = 0; i < 16; i++) {
      const q = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4)
      out[to + 16 * sub + i] = scale * (q - 32)
    }
  }
}

/** A float32 d, 256 signed bytes, 32 bytes of sums that decoding does without: d q. */
export const decodeQ8_K: DecodeBlock = (bytes, from, out, to) => {
  const d = new DataView(bytes.buffer, bytes.byteOffset + from, 4).getFloat32(0, true)
  for (let i = 0; i < 256; i++) out[to + i] = d * signedByte(bytes[from + 4 + i]!)
}
