import { bytesPerElement, type Dtype, type QuantizedDtype } from '../dtypes.ts'
import { type DecodeBlock, decodeQ4_0, decodeQ4_1, decodeQ5_0, decodeQ5_1, decodeQ8_0 } from './blocks-of-32.ts'
import { decodeQ2_K, decodeQ3_K, decodeQ4_K, decodeQ5_K, decodeQ6_K, decodeQ8_K } from './k-quants.ts'
import { decodeIQ4_NL, decodeIQ4_XS, decodeMXFP4, decodeNVFP4 } from './level-codes.ts'
import { decodeQ1_0, decodeTQ1_0, decodeTQ2_0 } from './signs.ts'

/** How a tensor type of GGUF lies in the file: `elements` of a row at a time in `bytes`. */
export type BlockFormat = PlainFormat | PackedFormat

interface PlainFormat {
  readonly dtype: Dtype
  readonly elements: 1
  readonly bytes: number
  readonly decode?: undefined
}

interface PackedFormat {
  readonly dtype: QuantizedDtype
  readonly elements: number
  readonly bytes: number
  readonly decode: DecodeBlock
}

const plain = (dtype: Dtype): PlainFormat => ({ dtype, elements: 1, bytes: bytesPerElement[dtype] })

const packed = (dtype: QuantizedDtype, elements: number, bytes: number, decode: DecodeBlock): PackedFormat => ({
  dtype,
  elements,
  bytes,
  decode,
})

/** Tensor types by their number in the file. */
export const blockFormats: ReadonlyMap<number, BlockFormat> = new Map<number, BlockFormat>([
  [0, plain('F32')],
  [1, plain('F16')],
  [2, packed('Q4_0', 32, 18, decodeQ4_0)],
  [3, packed('Q4_1', 32, 20, decodeQ4_1)],
  [6, packed('Q5_0', 32, 22, decodeQ5_0)],
  [7, packed('Q5_1', 32, 24, decodeQ5_1)],
  [8, packed('Q8_0', 32, 34, decodeQ8_0)],
  [10, packed('Q2_K', 256, 84, decodeQ2_K)],
  [11, packed('Q3_K', 256, 110, decodeQ3_K)],
  [12, packed('Q4_K', 256, 144, decodeQ4_K)],
  [13, packed('Q5_K', 256, 176, decodeQ5_K)],
  [14, packed('Q6_K', 256, 210, decodeQ6_K)],
  [15, packed('Q8_K', 256, 292, decodeQ8_K)],
  [20, packed('IQ4_NL', 32, 18, decodeIQ4_NL)],
  [23, packed('IQ4_XS', 256, 136, decodeIQ4_XS)],
  [24, plain('I8')],
  [25, plain('I16')],
  [26, plain('I32')],
  [27, plain('I64')],
  [28, plain('F64')],
  [30, plain('BF16')],
  [34, packed('TQ1_0', 256, 54, decodeTQ1_0)],
  [35, packed('TQ2_0', 256, 66, decodeTQ2_0)],
  [39, packed('MXFP4', 32, 17, decodeMXFP4)],
  [40, packed('NVFP4', 64, 36, decodeNVFP4)],
  [41, packed('Q1_0', 128, 18, decodeQ1_0)],
])

/** The names of the types that are known but not read. */
export const unreadTypes: ReadonlyMap<number, string> = new Map(
  Object.entries({
    Q8_1: 9,
    IQ2_XXS: 16,
    IQ2_XS: 17,
    IQ3_XXS: 18,
    IQ1_S: 19,
    IQ3_S: 21,
    IQ2_S: 22,
    IQ1_M: 29,
  }).map(([name, type]) => [type, name]),
)

/** Decodes whole blocks, one behind the other, into `out` from index `at`. */
export function decodeBlocks(
  { elements, bytes: size, decode }: PackedFormat,
  bytes: Uint8Array,
  out: Float32Array,
  at: number,
): void {
  for (let from = 0, to = at; from < bytes.length; from += size, to += elements) decode(bytes, from, out, to)
}
