import type { ByteSource } from '../byte-source.ts'
import { bytesPerElement } from '../dtypes.ts'
import { growingWindow } from '../growing-window.ts'
import { quote, refuse } from '../refuse.ts'
import { sliceSource } from '../sources/slice.ts'
import { MoreBytesNeeded } from './pickle-bytes.ts'
import { unpickle } from './unpickle.ts'
import type { PickleValue, Storage } from './values.ts'

/** What opens every file that torch.save wrote before its zip format, as a pickled integer. */
const magic = 0x1950a86a20f9469cfc6cn

export interface LegacyFile {
  readonly root: PickleValue
  /** Bytes of each storage, by key. */
  readonly storages: ReadonlyMap<string, ByteSource>
}

/**
 * torch.save before version 1.6: five pickles (magic number, protocol, system, the data, the storages' keys), then
 * for each key the number of elements (8 bytes) and the bytes.
 */
export async function openLegacy(
  source: ByteSource,
  storagesOf: (root: PickleValue) => Iterable<Storage>,
): Promise<LegacyFile> {
  const who = source.name
  const { root, keys, end } = await growingWindow(source, MoreBytesNeeded, 'pickle-truncated', (bytes) => {
    const first = unpickle(bytes, 0, who)
    if (first.value !== magic) refuse('pytorch-magic', who, 'the file is a pickle, but not one that torch.save wrote.')
    const protocol = unpickle(bytes, first.end, who)
    if (protocol.value !== 1001) refuse('pytorch-protocol', who, `protocol ${quote(protocol.value)}, known is 1001.`)
    const system = unpickle(bytes, protocol.end, who)
    if (!(system.value instanceof Map) || system.value.get('little_endian') !== true) {
      refuse('big-endian', who, 'the file was written on a big-endian machine.')
    }
    const data = unpickle(bytes, system.end, who)
    const list = unpickle(bytes, data.end, who)
    return { root: data.value, keys: list.value, end: list.end }
  })

  const wanted = new Map<string, Storage>()
  for (const storage of storagesOf(root)) wanted.set(storage.key, storage)
  if (!Array.isArray(keys)) refuse('pytorch-storage', who, 'the list of storages is not a list.')
  const storages = new Map<string, ByteSource>()
  let at = end
  for (const key of keys) {
    const storage = typeof key === 'string' ? wanted.get(key) : undefined
    if (!storage || storages.has(storage.key)) {
      refuse('pytorch-storage', who, `the file lists a storage ${quote(key)} that no tensor has, or twice.`)
    }
    if (at + 8 > source.size) refuse('pytorch-truncated', who, `the file ends before storage ${quote(storage.key)}.`)
    const size = new DataView((await source.read(at, 8)).buffer).getBigInt64(0, true)
    if (size !== BigInt(storage.size)) {
      refuse(
        'pytorch-storage',
        who,
        `storage ${quote(storage.key)} has ${size} elements, its tensors expect ${storage.size}.`,
      )
    }
    const bytes = storage.size * (storage.dtype ? bytesPerElement[storage.dtype] : 1)
    if (at + 8 + bytes > source.size) {
      refuse('pytorch-truncated', who, `the file ends inside storage ${quote(storage.key)}.`)
    }
    storages.set(storage.key, sliceSource(source, at + 8, bytes, `${who}: storage ${storage.key}`))
    at += 8 + bytes
  }
  return { root, storages }
}
