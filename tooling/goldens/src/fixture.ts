import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GoldenJson, Numbers } from './adapter.ts'
import { decode } from './decode.ts'

export interface StoredTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** One case of a folder: its json and its tensors, as stored. */
export class Fixture {
  readonly directory: string
  readonly name: string
  readonly json: GoldenJson
  readonly #tensors: ReadonlyMap<string, StoredTensor>

  constructor(directory: string, name: string) {
    this.directory = directory
    this.name = name
    this.json = JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as GoldenJson
    const file = join(directory, `${name}.safetensors`)
    this.#tensors = existsSync(file) ? parseSafetensors(readFileSync(file), file) : new Map()
    this.#checkListing()
  }

  /** Full names in the file's order. */
  get names(): string[] {
    return [...this.#tensors.keys()]
  }

  has(fullName: string): boolean {
    return this.#tensors.has(fullName)
  }

  stored(fullName: string): StoredTensor {
    const tensor = this.#tensors.get(fullName)
    if (!tensor) throw new Error(`Golden ${this.name}: the file has no tensor '${fullName}'.`)
    return tensor
  }

  /** The numbers, exact: F32 and narrower as doubles, I64 as doubles with a range check, BOOL as 0 and 1. */
  numbers(fullName: string): Numbers {
    const { dtype, shape, bytes } = this.stored(fullName)
    return { shape, data: decode(dtype, bytes, fullName) }
  }

  /** The json lists what the file holds; a tensor that only one of them has would escape the accounting. */
  #checkListing(): void {
    const listed = this.json.tensors
    if (!listed) return
    const missing = Object.keys(listed).filter((name) => !this.#tensors.has(name))
    const extra = this.names.filter((name) => !(name in listed))
    if (missing.length || extra.length) {
      throw new Error(
        `Golden ${this.name}: json and safetensors disagree; only in the json: [${missing}], only in the file: [${extra}].`,
      )
    }
  }
}

/** Names of the cases of a folder: every json beside which tensors may lie. */
export function casesOf(directory: string): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort()
}

/**
 * The layout of safetensors: u64 header length, json header with data_offsets, data. Not the package's reader: what the
 * packages are held against must not pass through them, and this one also serves the process in which Float32Array
 * holds doubles.
 */
export function parseSafetensors(file: Uint8Array, path: string): Map<string, StoredTensor> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const start = 8 + Number(view.getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const tensors = new Map<string, StoredTensor>()
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const [from, to] = entry.data_offsets
    if (start + to > file.byteLength) throw new Error(`${path}: '${name}' lies beyond the end of the file.`)
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, bytes: file.subarray(start + from, start + to) })
  }
  return tensors
}
