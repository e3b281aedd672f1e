import type { ByteSource } from '../byte-source.ts'
import { refuse } from '../refuse.ts'

/** What a llama2.c file says ahead of its weights, under the names that llama2.c's own configuration has. */
export interface Llama2cHeader {
  /** 0: float32 without a magic number; 1: float32; 2: int8 in groups. */
  readonly version: 0 | 1 | 2
  readonly dim: number
  readonly hidden_dim: number
  readonly n_layers: number
  readonly n_heads: number
  readonly n_kv_heads: number
  readonly vocab_size: number
  readonly max_seq_len: number
  /** Whether the head is the embedding; otherwise the file ends with a head of its own. */
  readonly shared_classifier: boolean
  /** Version 2: how many weights share a scale. */
  readonly group_size: number | undefined
  /** Where the weights begin. */
  readonly end: number
}

/** The bytes of the uint32 0x616b3432, "ak42" to those who read it aloud. */
const magic = '24ka'

const legacyBytes = 28
const headerBytes = 256
const maxLayers = 10_000

/** Whether a file begins as llama2.c's do: by the magic number, or (version 0) with seven sizes where safetensors has a length. */
export function startsAsLlama2c(start: Uint8Array): boolean {
  if (String.fromCharCode(...start.subarray(0, 4)) === magic) return true
  return start.length >= legacyBytes && sevenOf(start, 0).every((n) => n !== 0 && Math.abs(n) < 1 << 24)
}

const sevenOf = (bytes: Uint8Array, at: number): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: 7 }, (_, i) => view.getInt32(at + 4 * i, true))
}

/** Reads and checks a header: sizes that are sizes, heads that divide, groups that fit. */
export async function readLlama2cHeader(source: ByteSource): Promise<Llama2cHeader> {
  const who = source.name
  const bytes = await source.read(0, Math.min(headerBytes, source.size))
  const marked = String.fromCharCode(...bytes.subarray(0, 4)) === magic
  const wanted = marked ? headerBytes : legacyBytes
  if (bytes.length < wanted) {
    refuse('llama2c-truncated', who, `its header has ${wanted} bytes, but the file ${source.size}.`)
  }
  if (!marked) return checked({ ...sizesOf(sevenOf(bytes, 0)), version: 0, group_size: undefined, end: wanted }, who)

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = view.getInt32(4, true)
  if (version !== 1 && version !== 2) {
    refuse('llama2c-version', who, `version ${version} of llama2.c's format; known are 0, 1 and 2.`)
  }
  const sizes = sizesOf(sevenOf(bytes, 8))
  if (!sizes.shared_classifier) refuse('llama2c-header', who, `a vocab_size of -${sizes.vocab_size}.`)
  const flag = view.getUint8(36)
  if (flag > 1) refuse('llama2c-header', who, `wanted 0 or 1 to say whether the head is shared, got ${flag}.`)
  const group_size = version === 2 ? view.getInt32(37, true) : undefined
  if (group_size !== undefined && group_size < 1) refuse('llama2c-header', who, `groups of ${group_size} weights.`)
  return checked({ ...sizes, version, shared_classifier: flag === 1, group_size, end: headerBytes }, who)
}

/** A negative vocabulary is version 0's way to say that the head is not shared. */
const sizesOf = ([dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, max_seq_len]: number[]) => ({
  dim: dim!,
  hidden_dim: hidden_dim!,
  n_layers: n_layers!,
  n_heads: n_heads!,
  n_kv_heads: n_kv_heads!,
  vocab_size: Math.abs(vocab_size!),
  max_seq_len: max_seq_len!,
  shared_classifier: vocab_size! > 0,
})

function checked(header: Llama2cHeader, who: string): Llama2cHeader {
  const { dim, n_heads, n_kv_heads, n_layers } = header
  for (const key of ['dim', 'hidden_dim', 'n_layers', 'n_heads', 'n_kv_heads', 'vocab_size', 'max_seq_len'] as const) {
    if (header[key] < 1) refuse('llama2c-header', who, `wanted ${key} of 1 or more, got ${header[key]}.`)
  }
  if (n_layers > maxLayers)
    refuse('llama2c-header', who, `it claims ${n_layers} layers; at most ${maxLayers} are read.`)
  if (dim % (2 * n_heads) !== 0) {
    refuse('llama2c-header', who, `its dim ${dim} does not give ${n_heads} heads of an even width.`)
  }
  if (n_heads % n_kv_heads !== 0) {
    refuse('llama2c-header', who, `its ${n_heads} heads do not divide by n_kv_heads ${n_kv_heads}.`)
  }
  return header
}
