import {
  type Buffer,
  ConfigError,
  type Dialect,
  dispose,
  type FileArray,
  type FileDtype,
  type FileTensor,
  isBuffer,
  keep,
  type Leaf,
  type Module,
  type Parameter,
  stateOf,
  type TensorTable,
  tidy,
} from '@filature/tensor'
import type { TensorValues } from './dtypes.ts'
import { bytesOf } from './encode.ts'
import { quote } from './refuse.ts'
import { encodeSafetensors, type TensorToWrite } from './safetensors/writer.ts'
import { checkShardBytes, type WriteOptions, writeShards } from './write-shards.ts'

export interface EncodeOptions {
  /** How real numbers are written: F32, F16 or BF16; by default as they are held. Buffers keep their own type. */
  readonly dtype?: 'F32' | 'F16' | 'BF16'
  /** Whose names and layout are written; by default the model's own. */
  readonly dialect?: Dialect
  /** Tied parameters under their first name, as Hugging Face writes them, or under all of them. */
  readonly ties?: 'first' | 'all'
  /** Put into the file; `format: pt` is always there, as Hugging Face's loaders want it. */
  readonly metadata?: Readonly<Record<string, string>>
}

export interface SaveOptions extends EncodeOptions, WriteOptions {}

/**
 * Writes a model. `target` is a file that ends in `.safetensors`, or a folder that gets `model.safetensors`. With
 * `maxShardBytes` a larger model becomes shards and an index. Every file is written beside its place, synced and
 * renamed: an interrupted save leaves the old checkpoint. Returns the files.
 */
export async function save(model: Module, target: string, options: SaveOptions = {}): Promise<string[]> {
  return await writeShards(target, tensorsToWrite(model, options), metadataOf(options), options)
}

/** The model as one safetensors file in memory: for a download in the browser, a message to a worker. */
export async function saveToBytes(model: Module, options: EncodeOptions = {}): Promise<Uint8Array> {
  return await encodeSafetensors(tensorsToWrite(model, options), metadataOf(options))
}

/** Throws what saving would throw before it writes. */
export function checkSaving(model: Module, options: SaveOptions): void {
  if (options.maxShardBytes !== undefined) checkShardBytes(options.maxShardBytes)
  tensorsToWrite(model, options)
}

const metadataOf = ({ metadata }: EncodeOptions) => ({ format: 'pt', ...metadata })

function tensorsToWrite(model: Module, { dtype, dialect, ties = 'first' }: EncodeOptions): TensorToWrite[] {
  oneOf('dtype', dtype, ['F32', 'F16', 'BF16', undefined])
  oneOf('ties', ties, ['first', 'all'])
  const table: TensorTable = new Map()
  const seen = new Set<Leaf>()
  for (const [path, leaf] of stateOf(model)) {
    if (ties === 'first' && seen.has(leaf)) continue
    seen.add(leaf)
    if (!isBuffer(leaf)) table.set(path, parameterEntry(leaf, dtype))
    else if (leaf.persistent) table.set(path, bufferEntry(leaf))
  }
  return [...(dialect ? dialect.toTheirs(table) : table)].map(([name, entry]) => ({
    name,
    dtype: entry.dtype,
    shape: entry.shape,
    bytes: async () => bytesOf((await entry.read()) as TensorValues, entry.dtype, `saving ${quote(name)}`),
  }))
}

function oneOf(option: string, given: string | undefined, wanted: readonly (string | undefined)[]): void {
  if (wanted.includes(given)) return
  const names = wanted.filter((name) => name !== undefined).join(', ')
  throw new ConfigError('save-option', `save: ${option} must be one of ${names}, got ${quote(given)}.`)
}

/** Numbers held in blocks are written as float32: no block is rounded twice. */
const fileTypes: Record<string, FileDtype> = { bf16: 'BF16', f16: 'F16' }

function parameterEntry({ store, shape }: Parameter, dtype: FileDtype | undefined): FileTensor {
  return {
    dtype: dtype ?? fileTypes[store.format] ?? 'F32',
    shape,
    async read() {
      if (store.format === 'float32') return (await store.dense().data()) as FileArray
      const dense = tidy(() => keep(store.dense()))
      try {
        return (await dense.data()) as FileArray
      } finally {
        dispose(dense)
      }
    },
  }
}

function bufferEntry(buffer: Buffer): FileTensor {
  return { dtype: buffer.fileType, shape: buffer.shape, read: async () => (await buffer.value.data()) as FileArray }
}
