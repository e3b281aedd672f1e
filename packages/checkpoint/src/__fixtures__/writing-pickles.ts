// Writes pickles and archives for tests, opcode by opcode, so that they can be wrong on purpose.

/** Bytes of a string of Latin-1 characters: opcodes and their arguments. */
export const op = (characters: string): Uint8Array => Uint8Array.from(characters, (c) => c.charCodeAt(0))

export const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

const u16 = (n: number) => Uint8Array.of(n & 255, n >> 8)
const u32 = (n: number) => new Uint8Array(Uint32Array.of(n).buffer)

export const pickle = (value: Uint8Array): Uint8Array => join(op('\x80\x02'), value, op('.'))
export const global = (module: string, name: string): Uint8Array => op(`c${module}\n${name}\n`)
export const tuple = (...items: readonly Uint8Array[]): Uint8Array => join(op('('), ...items, op('t'))

export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value)
  return join(op('X'), u32(bytes.length), bytes)
}

/** LONG1 of eight bytes. */
export const int = (n: number): Uint8Array => join(op('\x8a\x08'), new Uint8Array(BigInt64Array.of(BigInt(n)).buffer))

export const dict = (items: readonly (readonly [Uint8Array, Uint8Array])[]): Uint8Array =>
  join(op('}('), ...items.flat(), op('u'))

export const storage = (key: string, size: number, type = 'FloatStorage', location = 'cpu'): Uint8Array =>
  join(tuple(text('storage'), global('torch', type), text(key), text(location), int(size)), op('Q'))

export const tensor = (
  from: Uint8Array,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): Uint8Array =>
  join(
    global('torch._utils', '_rebuild_tensor_v2'),
    tuple(from, int(offset), tuple(...shape.map(int)), tuple(...strides.map(int)), op('\x89'), op('}')),
    op('R'),
  )

export interface ZipEntryToWrite {
  readonly name: string
  readonly bytes: Uint8Array
  /** Deflated bytes in place of the stored ones. */
  readonly packed?: Uint8Array
  readonly method?: number
  readonly flags?: number
  /** Claimed unpacked size. */
  readonly claims?: number
  /** Claimed place of the local header. */
  readonly at?: number
}

/** A zip archive, with what a test wants to be wrong in it. */
export function zip(entries: readonly ZipEntryToWrite[]): Uint8Array {
  const parts: Uint8Array[] = []
  const directory: Uint8Array[] = []
  let at = 0
  for (const entry of entries) {
    const name = new TextEncoder().encode(entry.name)
    const data = entry.packed ?? entry.bytes
    const method = entry.method ?? (entry.packed ? 8 : 0)
    const common = join(
      u16(20),
      u16(entry.flags ?? 0),
      u16(method),
      u32(0),
      u32(0),
      u32(data.length),
      u32(entry.claims ?? entry.bytes.length),
      u16(name.length),
      u16(0),
    )
    const local = join(op('PK\x03\x04'), common, name, data)
    directory.push(join(op('PK\x01\x02'), u16(20), common, u16(0), u16(0), u16(0), u32(0), u32(entry.at ?? at), name))
    parts.push(local)
    at += local.length
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0)
  const end = join(op('PK\x05\x06'), u32(0), u16(entries.length), u16(entries.length), u32(size), u32(at), u16(0))
  return join(...parts, ...directory, end)
}
