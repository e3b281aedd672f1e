import { ConfigError } from '@filature/tensor'
import type { ByteSource } from '../byte-source.ts'
import { quote, refuse } from '../refuse.ts'
import { allocate } from '../sources/range.ts'
import { Cursor } from './cursor.ts'

export type WordVectorFormat = 'text' | 'binary'

export interface WordVectorOptions {
  /** `text`: word2vec, GloVe, fastText's .vec; `binary`: word2vec's .bin. Default: told from the first bytes. */
  readonly format?: WordVectorFormat
  /** Bytes to read at a time; 1 MiB by default. */
  readonly chunk?: number
}

export interface WordVectors {
  /** Width of a vector, C. */
  readonly width: number
  /** (V, C), row-major, in the order of the vocabulary; zeros where a word is missing. */
  readonly rows: Float32Array<ArrayBuffer>
  /** Words of the vocabulary that the file does not have, in their order. */
  readonly missing: readonly string[]
}

const [SPACE, NEWLINE] = [0x20, 0x0a]
const utf8 = new TextDecoder()
const MAX_WIDTH = 1 << 16
const MAX_LINE = 1 << 22
const HEADER = /^(\d+) (\d+)\s*$/

/**
 * The vectors of a vocabulary's words out of a file of pretrained ones, as word2vec (Mikolov et al. 2013), GloVe
 * (Pennington et al. 2014) and fastText (Bojanowski et al. 2017) publish them. The file is read as a stream, and no
 * further than the last word wanted; of a word that stands in it twice the first counts. The source stays open.
 * @throws CheckpointError `vectors-...` for a file that is cut or holds something else
 */
export async function readWordVectors(
  source: ByteSource,
  vocabulary: Iterable<string>,
  options: WordVectorOptions = {},
): Promise<WordVectors> {
  checkOptions(options)
  const words = [...vocabulary]
  const cursor = new Cursor(source, options.chunk)
  const { count, width, format } = await begin(source, cursor, options)
  const wanted = new Map<string, number[]>()
  words.forEach((word, row) => {
    wanted.set(word, [...(wanted.get(word) ?? []), row])
  })
  const size = words.length * width
  const rows = allocate(source.name, 4 * size, () => new Float32Array(size))
  const record = format === 'binary' ? binaryRecord : textRecord
  for (let n = 0; wanted.size > 0 && (count === undefined ? !cursor.ended : n < count); n++) {
    if (cursor.ended) {
      refuse('vectors-truncated', source.name, `wanted ${count} vectors as its first line says, got ${n}; is it whole?`)
    }
    const { word, vector } = await record(source, cursor, width)
    const places = wanted.get(word)
    if (!places) continue
    const values = vector()
    for (const row of places) rows.set(values, row * width)
    wanted.delete(word)
  }
  return { width, rows, missing: [...wanted.keys()] }
}

function checkOptions({ format, chunk }: WordVectorOptions): void {
  if (format !== undefined && format !== 'text' && format !== 'binary') {
    throw new ConfigError('vectors-option', `readWordVectors: wanted the format text or binary, got ${quote(format)}.`)
  }
  if (chunk !== undefined && !(Number.isInteger(chunk) && chunk >= 1)) {
    throw new ConfigError('vectors-option', `readWordVectors: wanted a chunk of 1 byte or more, got ${quote(chunk)}.`)
  }
}

/** Passes over the first line if it is a header: vectors and width. GloVe's files have none. */
async function begin(source: ByteSource, cursor: Cursor, { format }: WordVectorOptions) {
  const start = utf8.decode(await cursor.peek(64))
  const header = HEADER.exec(start.split('\n', 1)[0]!)
  if (!header) {
    if (format === 'binary')
      refuse('vectors-header', source.name, `wanted a first line "vectors width", got ${quote(start)}.`)
    const width = fieldsOf(await firstLine(cursor)).length - 1
    return { count: undefined, width: checkWidth(source, width), format: 'text' as const }
  }
  await cursor.until(NEWLINE, 64)
  const width = checkWidth(source, Number(header[2]))
  return { count: Number(header[1]), width, format: format ?? (await told(cursor, width)) }
}

function checkWidth(source: ByteSource, width: number): number {
  if (width >= 1 && width <= MAX_WIDTH) return width
  return refuse(
    'vectors-width',
    source.name,
    `wanted vectors 1 to ${MAX_WIDTH} wide, got ${width}; are these word vectors?`,
  )
}

/** Whether the first record is a line of a word and numbers. */
async function told(cursor: Cursor, width: number): Promise<WordVectorFormat> {
  const fields = fieldsOf(await firstLine(cursor))
  const numbers = fields.slice(-width)
  return fields.length > width && numbers.every((field) => Number.isFinite(numberOf(field))) ? 'text' : 'binary'
}

/** The next line, not passed over. */
async function firstLine(cursor: Cursor): Promise<string> {
  for (let size = 1 << 12; ; size *= 2) {
    const bytes = await cursor.peek(size)
    const end = bytes.indexOf(NEWLINE)
    if (end >= 0 || bytes.length < size || size >= MAX_LINE) {
      return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end))
    }
  }
}

/** fastText leaves a blank at the end of each line. */
const fieldsOf = (line: string): string[] => line.replace(/[ \r]+$/, '').split(' ')
const numberOf = (field: string): number => (field === '' ? Number.NaN : Number(field))

/** A line: the word, which may hold blanks, and its numbers. */
async function textRecord(source: ByteSource, cursor: Cursor, width: number) {
  const at = cursor.offset
  const fields = fieldsOf(utf8.decode(await cursor.until(NEWLINE, MAX_LINE)))
  const word = fields.slice(0, -width).join(' ')
  const vector = () => {
    const values = fields.slice(-width).map(numberOf)
    if (values.some(Number.isNaN)) {
      refuse('vectors-row', source.name, `wanted ${width} numbers behind ${quote(word)} at byte ${at}, one is none.`)
    }
    return values
  }
  if (fields.length > width) return { word, vector }
  return refuse(
    'vectors-row',
    source.name,
    `wanted a word and ${width} numbers at byte ${at}, got ${fields.length} fields (${quote(fields[0])} ...); is it whole?`,
  )
}

/** The word, a blank, float32 little-endian; word2vec ends a record with a newline, others do not. */
async function binaryRecord(_: ByteSource, cursor: Cursor, width: number) {
  const word = utf8.decode(await cursor.until(SPACE, MAX_LINE)).replace(/^\n/, '')
  const bytes = await cursor.take(4 * width)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return { word, vector: () => Array.from({ length: width }, (_, i) => view.getFloat32(4 * i, true)) }
}
