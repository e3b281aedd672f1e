import { FilatureError } from '@filature/tensor'
import { unzipRaw, type ZipEntry } from 'unzipit'
import type { ByteSource } from '../byte-source.ts'
import { quote, refuse } from '../refuse.ts'
import { allocate, checkRange } from '../sources/range.ts'
import { sliceSource } from '../sources/slice.ts'

/** A directory of more than 256 MiB is none of a checkpoint. */
const maxDirectoryBytes = 1 << 28

const maxEntries = 200_000

/** The entries of a zip archive by name, each a source: stored ones are read in place, nothing is unpacked ahead. */
export async function openArchive(source: ByteSource): Promise<Map<string, ByteSource>> {
  const who = source.name
  const reader = new ArchiveReader(source)
  const { entries } = await translated(who, () => unzipRaw(reader))
  if (entries.length > maxEntries) refuse('zip-directory', who, `the archive has ${entries.length} entries.`)
  const out = new Map<string, ByteSource>()
  const extents: { begin: number; end: number; name: string }[] = []
  const inflated = new InflatedEntry(who)
  for (const entry of entries) {
    const { name, size } = entry
    if (entry.isDirectory) continue
    if (out.has(name)) refuse('zip-duplicate-entry', who, `the archive has two entries ${quote(name)}.`)
    if (entry.encrypted) refuse('zip-encrypted', who, `the entry ${quote(name)} is encrypted.`)
    if (entry.compressionMethod === 0) {
      const begin = await translated(who, () => reader.placeOf(entry))
      extents.push({ begin, end: begin + size, name })
      out.set(name, sliceSource(source, begin, size, `${who}: ${name}`))
    } else if (entry.compressionMethod === 8) {
      const read = (offset: number, length: number) => inflated.read(entry, offset, length)
      out.set(name, { name: `${who}: ${name}`, size, read, async close() {} })
    } else {
      refuse('zip-compression', who, `the entry ${quote(name)} is packed by method ${entry.compressionMethod}.`)
    }
  }
  extents.sort((a, b) => a.begin - b.begin)
  for (const [i, { begin, name }] of extents.entries()) {
    if (i > 0 && begin < extents[i - 1]!.end) refuse('zip-overlap', who, `the entry ${quote(name)} overlaps another.`)
  }
  return out
}

/** What the zip library reads through. */
class ArchiveReader {
  readonly #source: ByteSource
  #places: number[] | undefined

  constructor(source: ByteSource) {
    this.#source = source
  }

  async getLength(): Promise<number> {
    return this.#source.size
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (length > maxDirectoryBytes) refuse('zip-directory', this.#source.name, `its directory claims ${length} bytes.`)
    return (await this.#source.read(offset, length)) as Uint8Array<ArrayBuffer>
  }

  async readStream(offset: number, length: number): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    if (this.#places) {
      this.#places.push(offset)
      return new ReadableStream() // nobody reads it
    }
    const source = this.#source
    let at = 0
    return new ReadableStream({
      async pull(controller) {
        const size = Math.min(1 << 20, length - at)
        if (size === 0) return controller.close()
        controller.enqueue((await source.read(offset + at, size)) as Uint8Array<ArrayBuffer>)
        at += size
      },
    })
  }

  /** Where a stored entry's bytes begin: the library checks its local header, then asks for them, and we note where. */
  async placeOf(entry: ZipEntry): Promise<number> {
    this.#places = []
    try {
      await entry.stream()
      return this.#places[0]!
    } finally {
      this.#places = undefined
    }
  }
}

/** The entry that was unpacked last, for archives written with compression (torch writes none). */
class InflatedEntry {
  readonly #who: string
  #entry: ZipEntry | undefined
  #bytes: Promise<Uint8Array> | undefined

  constructor(who: string) {
    this.#who = who
  }

  async read(entry: ZipEntry, offset: number, length: number): Promise<Uint8Array> {
    checkRange(`${this.#who}: ${entry.name}`, entry.size, offset, length)
    if (this.#entry !== entry) {
      this.#entry = entry
      this.#bytes = translated(this.#who, () => inflate(entry, this.#who))
    }
    const bytes = await this.#bytes!
    return bytes.slice(offset, offset + length)
  }
}

async function inflate(entry: ZipEntry, who: string): Promise<Uint8Array> {
  // Deflate packs at most about 1032 to 1: a larger claim is a lie, not worth an allocation.
  if (entry.size > 1040 * entry.compressedSize + 64) {
    refuse('zip-malformed', who, `the entry ${quote(entry.name)} claims ${entry.size} unpacked bytes.`)
  }
  const out = allocate(who, entry.size, () => new Uint8Array(entry.size))
  let at = 0
  for await (const chunk of (await entry.stream()) as unknown as AsyncIterable<Uint8Array>) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

/** Runs the zip library; what it throws comes out as a CheckpointError. */
async function translated<T>(who: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (cause instanceof FilatureError) throw cause
    refuse('zip-malformed', who, `the archive is malformed: ${(cause as Error).message}`, cause)
  }
}
