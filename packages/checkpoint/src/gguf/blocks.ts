import { bytesPerElement, type Dtype, isDtype } from '../dtypes.ts'
import { float16Value } from '../half.ts'

/** How a tensor type of GGUF lies in the file: `elements` of a row at a time in `bytes`. */
export interface BlockFormat {
  readonly dtype: Dtype | 'Q8_0' | 'Q4_0'
  readonly elements: number
  readonly bytes: number
}

const plain = (dtype: Dtype): BlockFormat => ({ dtype, elements: 1, bytes: bytesPerElement[dtype] })

/** Tensor types by their number in the file. */
export const blockFormats: ReadonlyMap<number, BlockFormat> = new Map([
  [0, plain('F32')],
  [1, plain('F16')],
  [2, { dtype: 'Q4_0', elements: 32, bytes: 18 }],
  [8, { dtype: 'Q8_0', elements: 32, bytes: 34 }],
  [24, plain('I8')],
  [25, plain('I16')],
  [26, plain('I32')],
  [27, plain('I64')],
  [28, plain('F64')],
  [30, plain('BF16')],
])

/** The names of the types that are known but not read. */
export const unreadTypes: ReadonlyMap<number, string> = new Map(
  Object.entries({
    Q4_1: 3,
    Q5_0: 6,
    Q5_1: 7,
    Q8_1: 9,
    Q2_K: 10,
    Q3_K: 11,
    Q4_K: 12,
    Q5_K: 13,
    Q6_K: 14,
    Q8_K: 15,
    IQ2_XXS: 16,
    IQ2_XS: 17,
    IQ3_XXS: 18,
    IQ1_S: 19,
    IQ4_NL: 20,
    IQ3_S: 21,
    IQ2_S: 22,
    IQ4_XS: 23,
    IQ1_M: 29,
    TQ1_0: 34,
    TQ2_0: 35,
    MXFP4: 39,
  }).map(([name, type]) => [type, name]),
)

/**
 * Decodes blocks of 32 into `out` from index `at`. A block is a float16 scale d, then Q8_0: 32 signed bytes q, value
 * d q; Q4_0: 16 bytes whose low halves are the first 16 numbers q and whose high halves the other 16, value d (q - 8).
 */
export function dequantize(dtype: 'Q8_0' | 'Q4_0', bytes: Uint8Array, out: Float32Array, at: number): void {
  const size = dtype === 'Q8_0' ? 34 : 18
  let to = at
  for (let block = 0; block < bytes.length; block += size, to += 32) {
    const scale = float16Value(bytes[block]! | (bytes[block + 1]! << 8))
    for (let i = 0; i < size - 2; i++) {
      const byte = bytes[block + 2 + i]!
      if (dtype === 'Q8_0') out[to + i] = scale * ((byte << 24) >> 24)
      else {
        out[to + i] = scale * ((byte & 15) - 8)
        out[to + 16 + i] = scale * ((byte >> 4) - 8)
      }
    }
  }
}

export const isPlain = (dtype: string): dtype is Dtype => isDtype(dtype)
