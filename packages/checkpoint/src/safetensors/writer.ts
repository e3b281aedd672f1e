import type { Dtype } from '../dtypes.ts'
import { bytesPerElement } from '../dtypes.ts'
import { byteLengthOf } from '../encode.ts'
import { quote, refuse } from '../refuse.ts'

/** A tensor to write; its bytes are asked for once, when their turn comes, and let go before the next one's. */
export interface TensorToWrite {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** Row-major little-endian, as `bytesOf` makes them. */
  bytes(): Uint8Array | Promise<Uint8Array>
}

export interface SafetensorsLayout {
  /** Length prefix and JSON, padded with spaces so that the data starts at a multiple of 8. */
  readonly header: Uint8Array
  /** The tensors in the order of their bytes: wide elements first, so that each is aligned; then by name. */
  readonly tensors: readonly TensorToWrite[]
  /** Bytes of the whole file. */
  readonly size: number
}

/** Lays out a safetensors file; the same tensors and metadata give the same bytes whatever their order. */
export function layoutSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const inOrder = [...tensors].sort(
    (a, b) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  )
  const header = new Map<string, unknown>()
  const entries = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))
  if (entries.length > 0) header.set('__metadata__', Object.fromEntries(entries))
  let at = 0
  for (const { name, dtype, shape } of inOrder) {
    if (header.has(name) || name === '__metadata__') {
      refuse('write-name', 'writing safetensors', `the tensor name ${quote(name)} stands twice or is reserved.`)
    }
    const end = at + byteLengthOf(dtype, shape)
    header.set(name, { dtype, shape, data_offsets: [at, end] })
    at = end
  }
  // Not JSON.stringify of an object: it would put keys that look like numbers first and drop '__proto__'.
  const json = `{${[...header].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`
  const text = new TextEncoder().encode(json)
  const padded = Math.ceil(text.length / 8) * 8
  const bytes = new Uint8Array(8 + padded).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(text, 8)
  return { header: bytes, tensors: inOrder, size: bytes.length + at }
}

/** The file's bytes, tensor by tensor. */
export async function* safetensorsChunks({ header, tensors }: SafetensorsLayout): AsyncGenerator<Uint8Array> {
  yield header
  for (const tensor of tensors) {
    const bytes = await tensor.bytes()
    const wanted = byteLengthOf(tensor.dtype, tensor.shape)
    if (bytes.length !== wanted) {
      refuse('write-length', quote(tensor.name), `wanted ${wanted} bytes to write, got ${bytes.length}.`)
    }
    yield bytes
  }
}

/** A whole safetensors file in memory. */
export async function encodeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  const layout = layoutSafetensors(tensors, metadata)
  const out = new Uint8Array(layout.size)
  let at = 0
  for await (const chunk of safetensorsChunks(layout)) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}
