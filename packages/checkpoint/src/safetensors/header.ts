import type { ByteSource } from '../byte-source.ts'
import { bytesPerElement, type Dtype, isDtype } from '../dtypes.ts'
import { quote, refuse } from '../refuse.ts'
import { type JsonObject, type JsonValue, parseStrictJson } from '../strict-json.ts'

/** One tensor of a file: `begin` and `end` count from the start of the file. */
export interface TensorEntry {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly count: number
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, TensorEntry>
  readonly metadata: ReadonlyMap<string, string>
}

/** The bound that the format's reference reader sets. */
export const maxHeaderBytes = 100_000_000

/**
 * Reads and checks the header of a safetensors file: 8 bytes of length (little-endian), a JSON object of that many
 * bytes, then the tensors' bytes without a gap. Alignment is not assumed. Nothing is read beyond the header.
 */
export async function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const { name, size } = source
  if (size < 10) refuse('safetensors-truncated', name, `a safetensors file has at least 10 bytes, this one ${size}.`)
  const length = new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes)) {
    refuse('safetensors-header-size', name, `its header claims ${length} bytes; the format allows ${maxHeaderBytes}.`)
  }
  const headerBytes = Number(length)
  if (8 + headerBytes > size) {
    refuse('safetensors-truncated', name, `its header claims ${headerBytes} bytes, but the file has ${size}.`)
  }
  const text = decodeText(await source.read(8, headerBytes), name)
  if (text[0] !== '{') refuse('safetensors-header-start', name, "its header does not begin with '{'.")
  const json = parseStrictJson(text, name, { maxDepth: 4, integers: true }) as JsonObject
  return checkHeader(json, name, 8 + headerBytes, size)
}

function decodeText(bytes: Uint8Array, who: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    refuse('safetensors-header-utf8', who, 'its header is not UTF-8.', cause)
  }
}

function checkHeader(json: JsonObject, who: string, dataStart: number, size: number): SafetensorsHeader {
  const metadata = checkMetadata(json.get('__metadata__'), who)
  json.delete('__metadata__')
  const entries = new Map<string, TensorEntry>()
  for (const [name, value] of json) entries.set(name, checkEntry(name, value, who, dataStart))
  checkCover(entries, who, dataStart, size)
  return { entries, metadata }
}

function checkMetadata(value: JsonValue | undefined, who: string): Map<string, string> {
  if (value === undefined) return new Map()
  if (!(value instanceof Map) || [...value.values()].some((v) => typeof v !== 'string')) {
    refuse('safetensors-metadata', who, '`__metadata__` must map strings to strings.')
  }
  return value as Map<string, string>
}

const fields = new Set(['dtype', 'shape', 'data_offsets'])

function checkEntry(name: string, value: JsonValue, file: string, dataStart: number): TensorEntry {
  const who = `${file}: tensor ${quote(name)}`
  if (!(value instanceof Map)) refuse('safetensors-entry', who, 'its entry is not an object.')
  for (const field of fields) if (!value.has(field)) refuse('safetensors-entry', who, `its entry lacks '${field}'.`)
  for (const field of value.keys()) {
    if (!fields.has(field)) refuse('safetensors-entry', who, `its entry has an unknown field ${quote(field)}.`)
  }
  const dtype = value.get('dtype')
  if (typeof dtype !== 'string' || !isDtype(dtype)) {
    refuse('unsupported-dtype', who, `dtype ${quote(dtype)} is none of ${Object.keys(bytesPerElement).join(', ')}.`)
  }
  const shape = value.get('shape')
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    refuse('safetensors-shape', who, 'its shape is not a list of sizes from 0 up.')
  }
  const count = countOf(shape, bytesPerElement[dtype])
  if (count === undefined) refuse('safetensors-shape', who, `its shape [${shape}] overflows.`)
  const offsets = value.get('data_offsets')
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    refuse('safetensors-offsets', who, 'its data_offsets are not two numbers from 0 up.')
  }
  const [begin, end] = offsets as [number, number]
  const wanted = count * bytesPerElement[dtype]
  if (end - begin !== wanted) {
    const held = end - begin
    refuse('safetensors-extent', who, `${dtype} [${shape}] takes ${wanted} bytes, its data_offsets span ${held}.`)
  }
  return { dtype, shape, count, begin: dataStart + begin, end: dataStart + end }
}

const isSize = (x: unknown): x is number => typeof x === 'number' && x >= 0

/** Elements of a shape, or undefined where their bytes pass 2^53. */
export function countOf(shape: readonly number[], width: number): number | undefined {
  if (shape.includes(0)) return 0
  let count = 1
  for (const d of shape) {
    count *= d
    if (count * width > Number.MAX_SAFE_INTEGER) return undefined
  }
  return count
}

/** The tensors must lie one behind the other, from the header to the end of the file. */
function checkCover(entries: ReadonlyMap<string, TensorEntry>, who: string, dataStart: number, size: number): void {
  const inOrder = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)
  let at = dataStart
  for (const [name, { begin, end }] of inOrder) {
    if (end > size) {
      refuse('safetensors-truncated', who, `tensor ${quote(name)} ends at byte ${end}, the file at ${size}.`)
    }
    if (begin < at) refuse('safetensors-overlap', who, `tensor ${quote(name)} overlaps the one before it.`)
    if (begin > at) refuse('safetensors-hole', who, `${begin - at} bytes before tensor ${quote(name)} are nobody's.`)
    at = end
  }
  if (at !== size) refuse('safetensors-trailing', who, `${size - at} bytes at the end are nobody's.`)
}
