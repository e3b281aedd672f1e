/**
 * Philox4x32-10, the counter-based generator of Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3":
 * four random words from a key of two words and a counter of four, with no state in between.
 */
const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85

export type Words2 = readonly [number, number]
export type Words4 = readonly [number, number, number, number]

/** High 32 bits of the unsigned product. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const cross = aHigh * bLow + ((aLow * bLow) >>> 16)
  const mid = (cross & 0xffff) + aLow * bHigh
  return aHigh * bHigh + Math.floor(cross / 65536) + Math.floor(mid / 65536)
}

/** Ten rounds; writes four unsigned words to `out` at `offset`. */
export function philoxInto(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
  offset: number,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0)
    const high1 = mulHigh(M1, c2)
    const low0 = Math.imul(M0, c0) >>> 0
    const low1 = Math.imul(M1, c2) >>> 0
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0
    k0 = (k0 + W0) >>> 0
    k1 = (k1 + W1) >>> 0
  }
  out[offset] = c0
  out[offset + 1] = c1
  out[offset + 2] = c2
  out[offset + 3] = c3
}

/** The four words of one counter. */
export function philox(counter: Words4, key: Words2): Words4 {
  const out = new Uint32Array(4)
  philoxInto(counter[0] >>> 0, counter[1] >>> 0, counter[2] >>> 0, counter[3] >>> 0, key[0] >>> 0, key[1] >>> 0, out, 0)
  return [out[0]!, out[1]!, out[2]!, out[3]!]
}

/** `count` words of the stream (key, counter = [block, 0, c0, c1]), as every dropout kernel draws them. */
export function philoxWords(count: number, key: Words2, counter: Words2): Uint32Array {
  const blocks = Math.ceil(count / 4)
  const out = new Uint32Array(blocks * 4)
  for (let block = 0; block < blocks; block++) {
    philoxInto(block, 0, counter[0], counter[1], key[0], key[1], out, 4 * block)
  }
  return out.subarray(0, count)
}

/** 64-bit FNV-1a of the UTF-16 units of a text, as two words. */
export function hash64(text: string): Words2 {
  let hash = 0xcbf29ce484222325n
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    hash = ((hash ^ BigInt(unit & 0xff)) * 0x100000001b3n) & 0xffffffffffffffffn
    hash = ((hash ^ BigInt(unit >>> 8)) * 0x100000001b3n) & 0xffffffffffffffffn
  }
  return [Number(hash & 0xffffffffn), Number(hash >> 32n)]
}
