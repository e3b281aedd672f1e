import type { FileDtype } from '@filature/tensor'

/** Element types of a stored tensor, by the names safetensors gives them: what dialects know, and 8-bit floats. */
export type Dtype = FileDtype | 'F8_E4M3' | 'F8_E5M2'

/** Bytes of one element. */
export const bytesPerElement: Readonly<Record<Dtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
}

/**
 * What reading gives for each dtype, always exactly: F16, BF16 and F8 come widened to float32, BOOL as bytes 0 and 1,
 * the rest as they are.
 */
export interface ValuesOf {
  F64: Float64Array
  F32: Float32Array
  F16: Float32Array
  BF16: Float32Array
  F8_E4M3: Float32Array
  F8_E5M2: Float32Array
  I64: BigInt64Array
  I32: Int32Array
  I16: Int16Array
  I8: Int8Array
  U64: BigUint64Array
  U32: Uint32Array
  U16: Uint16Array
  U8: Uint8Array
  BOOL: Uint8Array
}

export type TensorValues = ValuesOf[Dtype]

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(bytesPerElement, name)
}

/** Packed formats that reading widens to float32: the blocks of GGUF, and llama2.c's int8 in groups. */
// biome-ignore format: a list
const quantized = [
  'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0',
  'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_K',
  'IQ4_NL', 'IQ4_XS', 'MXFP4', 'NVFP4',
  'Q1_0', 'TQ1_0', 'TQ2_0',
  'I8_GROUPS',
] as const

export type QuantizedDtype = (typeof quantized)[number]

const floats: ReadonlySet<string> = new Set(['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2', ...quantized])

/** Whether a stored type, quantised ones included, holds real numbers (not integers or truth values). */
export function isFloatDtype(dtype: string): boolean {
  return floats.has(dtype)
}
