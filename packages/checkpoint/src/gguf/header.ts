import type { ByteSource } from '../byte-source.ts'
import { growingWindow } from '../growing-window.ts'
import { quote, refuse } from '../refuse.ts'
import { countOf } from '../safetensors/header.ts'
import { type BlockFormat, blockFormats, unreadTypes } from './blocks.ts'
import { EndOfWindow, GgufBytes } from './gguf-bytes.ts'

export interface GgufTensor {
  readonly format: BlockFormat
  /** Outermost first, as PyTorch has it; the file has the reverse. */
  readonly shape: readonly number[]
  readonly count: number
  /** From the start of the file. */
  readonly begin: number
  readonly end: number
}

export interface GgufHeader {
  readonly version: number
  readonly metadata: ReadonlyMap<string, unknown>
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

interface Listed {
  readonly name: string
  readonly format: BlockFormat
  readonly shape: readonly number[]
  readonly count: number
  /** From the start of the data. */
  readonly offset: number
}

const maxEntries = 1_000_000

/** Reads and checks everything ahead of a GGUF file's data (versions 2 and 3, little-endian). */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  const who = source.name
  return await growingWindow(source, EndOfWindow, 'gguf-truncated', (bytes) => {
    const input = new GgufBytes(bytes, who)
    if (input.magic() !== 'GGUF') refuse('gguf-magic', who, "it does not begin with 'GGUF'.")
    const version = input.u32()
    if (version >= 1 << 16) refuse('big-endian', who, 'a big-endian GGUF file.')
    if (version !== 2 && version !== 3) refuse('gguf-version', who, `GGUF version ${version}; known are 2 and 3.`)
    const tensorCount = input.length('tensors', maxEntries)
    const keyCount = input.length('keys', maxEntries)
    const metadata = new Map<string, unknown>()
    for (let i = 0; i < keyCount; i++) {
      const key = input.string()
      if (metadata.has(key)) refuse('gguf-duplicate-key', who, `the key ${quote(key)} stands twice.`)
      metadata.set(key, input.value(input.u32()))
    }
    const listed: Listed[] = []
    for (let i = 0; i < tensorCount; i++) listed.push(readListed(input, who))
    return { version, metadata, tensors: place(listed, alignmentOf(metadata, who), input.at, source.size, who) }
  })
}

function readListed(input: GgufBytes, who: string): Listed {
  const name = input.string()
  const rank = input.u32()
  if (rank > 8) refuse('gguf-shape', who, `tensor ${quote(name)} has ${rank} axes.`)
  const shape = Array.from({ length: rank }, () => input.u64()).reverse()
  const type = input.u32()
  const format = blockFormats.get(type)
  if (!format) {
    const told = unreadTypes.get(type) ?? `of the unknown type ${type}`
    const read = 'take a file in another quantisation, Q4_K or Q8_0 for instance'
    refuse('unsupported-dtype', who, `tensor ${quote(name)} is ${told}, which is not read here; ${read}.`)
  }
  const count = countOf(shape, 8)
  if (count === undefined) refuse('gguf-shape', who, `the shape [${shape}] of tensor ${quote(name)} overflows.`)
  if ((shape.at(-1) ?? 1) % format.elements !== 0) {
    refuse('gguf-shape', who, `a row of tensor ${quote(name)} [${shape}] is not whole blocks of ${format.elements}.`)
  }
  return { name, format, shape, count, offset: input.u64() }
}

function alignmentOf(metadata: ReadonlyMap<string, unknown>, who: string): number {
  const alignment = metadata.get('general.alignment') ?? 32
  if (typeof alignment !== 'number' || !(alignment > 0) || alignment > 1 << 20 || alignment % 8 !== 0) {
    refuse('gguf-alignment', who, `general.alignment is ${quote(alignment)}, wanted a multiple of 8.`)
  }
  return alignment
}

function place(
  listed: readonly Listed[],
  alignment: number,
  headerEnd: number,
  size: number,
  who: string,
): Map<string, GgufTensor> {
  const dataStart = Math.ceil(headerEnd / alignment) * alignment
  const tensors = new Map<string, GgufTensor>()
  let previousEnd = 0
  for (const { name, format, shape, count, offset } of listed.toSorted((a, b) => a.offset - b.offset)) {
    if (tensors.has(name)) refuse('gguf-duplicate-tensor', who, `tensor ${quote(name)} stands twice.`)
    if (offset % alignment !== 0) {
      refuse('gguf-offset', who, `tensor ${quote(name)} lies at ${offset}, not at a multiple of ${alignment}.`)
    }
    const bytes = (count / format.elements) * format.bytes
    const begin = dataStart + offset
    if (begin + bytes > size) {
      refuse('gguf-truncated', who, `tensor ${quote(name)} ends at byte ${begin + bytes}, the file at ${size}.`)
    }
    if (bytes > 0 && offset < previousEnd) refuse('gguf-overlap', who, `tensor ${quote(name)} overlaps another.`)
    if (bytes > 0) previousEnd = offset + bytes
    tensors.set(name, { format, shape, count, begin, end: begin + bytes })
  }
  return tensors
}
