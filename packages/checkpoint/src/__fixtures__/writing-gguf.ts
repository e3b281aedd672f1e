// Writes GGUF files for tests, so that they can be wrong on purpose.

export interface GgufTensorToWrite {
  readonly name: string
  /** In the file's order: the fastest axis first. */
  readonly dims: readonly (number | bigint)[]
  readonly type: number
  readonly data: Uint8Array
  readonly offset?: number | bigint
}

export class GgufWriter {
  readonly #bytes: number[] = []

  u8(...values: number[]): this {
    this.#bytes.push(...values)
    return this
  }

  u32(...values: number[]): this {
    for (const v of values) this.u8(...new Uint8Array(Uint32Array.of(v).buffer))
    return this
  }

  u64(...values: (number | bigint)[]): this {
    for (const v of values) this.u8(...new Uint8Array(BigUint64Array.of(BigInt(v)).buffer))
    return this
  }

  f32(...values: number[]): this {
    for (const v of values) this.u8(...new Uint8Array(Float32Array.of(v).buffer))
    return this
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value)
    return this.u64(bytes.length).u8(...bytes)
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

export interface GgufToWrite {
  readonly version?: number
  readonly keys?: readonly ((w: GgufWriter) => GgufWriter)[]
  readonly tensors?: readonly GgufTensorToWrite[]
  readonly alignment?: number
  readonly claimedTensors?: bigint
  readonly claimedKeys?: bigint
}

export function gguf(file: GgufToWrite): Uint8Array {
  const { version = 3, keys = [], tensors = [], alignment = 32 } = file
  const w = new GgufWriter().u8(0x47, 0x47, 0x55, 0x46).u32(version)
  w.u64(file.claimedTensors ?? tensors.length, file.claimedKeys ?? keys.length)
  for (const key of keys) key(w)
  let at = 0
  for (const { name, dims, type, data, offset } of tensors) {
    w.text(name).u32(dims.length)
    w.u64(...dims)
    w.u32(type).u64(offset ?? at)
    at += Math.ceil(data.length / alignment) * alignment
  }
  const pad = (length: number) => new Uint8Array((alignment - (length % alignment)) % alignment)
  const header = w.bytes
  const parts = [header, pad(header.length), ...tensors.flatMap(({ data }) => [data, pad(data.length)])]
  return new Uint8Array(Buffer.concat(parts))
}
