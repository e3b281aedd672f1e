import type { ByteSource } from '../byte-source.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { checkpointOf } from '../checkpoint-of.ts'
import { bytesPerElement } from '../dtypes.ts'
import { quote, refuse } from '../refuse.ts'
import { openArchive } from './archive.ts'
import { flatten, select } from './flatten.ts'
import { openLegacy } from './legacy.ts'
import { MoreBytesNeeded } from './pickle-bytes.ts'
import { checkView, readView } from './read-view.ts'
import { unpickle } from './unpickle.ts'
import { type PickleValue, Storage, StridedView } from './values.ts'

export interface PyTorchOptions {
  /**
   * The part to open, by its key or chain of keys: `'model'`, `'state_dict'`, `['ema', 'model']`. Without it the
   * whole file is opened, its nested parts under dotted names.
   */
  readonly part?: string | readonly string[]
}

const maxPickleBytes = 1 << 29

/**
 * Opens what torch.save wrote: the zip format, and the one before it. The pickle is read as data; whatever else it
 * names is refused. Views, shared storages and tensors saved on other devices come out as plain row-major arrays.
 * `metadata` holds the values that are no tensors. Owns the source.
 */
export async function openPyTorch(source: ByteSource, { part = [] }: PyTorchOptions = {}): Promise<Checkpoint> {
  const who = source.name
  const start = await source.read(0, Math.min(2, source.size))
  const isZip = start[0] === 0x50 && start[1] === 0x4b
  const { root, bytesOf } = isZip ? await openZip(source) : await openOld(source)
  const keys = typeof part === 'string' ? [part] : part
  const { tensors, others } = flatten(select(root, keys, who), who)
  if (tensors.size === 0) refuse('pytorch-empty', who, 'there is no tensor in it.')
  for (const [name, view] of tensors) checkView(view, bytesOf(view.storage).size, `${who}: tensor ${quote(name)}`)

  return checkpointOf(tensors, {
    format: 'pytorch',
    name: who,
    metadata: others as ReadonlyMap<string, unknown>,
    info: ({ dtype, shape }) => ({ dtype, shape }),
    read: async (view, tensor) => await readView(view, bytesOf(view.storage), tensor),
    close: () => source.close(),
  })
}

interface Opened {
  readonly root: PickleValue
  readonly bytesOf: (storage: Storage) => ByteSource
}

async function openZip(source: ByteSource): Promise<Opened> {
  const who = source.name
  const entries = await openArchive(source)
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name))
  if (pickles.length !== 1)
    refuse('pytorch-archive', who, 'a zip archive, but not one that torch.save wrote (no data.pkl).')
  const folder = pickles[0]!.slice(0, -'data.pkl'.length)
  if (entries.has(`${folder}constants.pkl`)) {
    refuse('pytorch-torchscript', who, 'a TorchScript archive, which holds code; save its state_dict() instead.')
  }
  const order = await textOf(entries.get(`${folder}byteorder`))
  if (order !== undefined && order !== 'little') refuse('big-endian', who, `its byte order is ${quote(order)}.`)
  const pickle = entries.get(pickles[0]!)!
  if (pickle.size > maxPickleBytes) refuse('structure-too-large', who, `its pickle has ${pickle.size} bytes.`)
  const root = whole(await pickle.read(0, pickle.size), who)
  return {
    root,
    bytesOf(storage) {
      const bytes = entries.get(`${folder}data/${storage.key}`)
      if (!bytes) refuse('pytorch-storage', who, `the archive lacks the storage ${quote(storage.key)}.`)
      const wanted = storage.size * widthOf(storage)
      if (bytes.size !== wanted) {
        refuse('pytorch-storage', who, `storage ${quote(storage.key)} has ${bytes.size} bytes, wanted ${wanted}.`)
      }
      return bytes
    },
  }
}

const widthOf = ({ dtype }: Storage): number => (dtype ? bytesPerElement[dtype] : 1)

function whole(bytes: Uint8Array, who: string): PickleValue {
  try {
    return unpickle(bytes, 0, who).value
  } catch (error) {
    if (error instanceof MoreBytesNeeded) refuse('pickle-truncated', who, 'its pickle ends too early.', error)
    throw error
  }
}

async function textOf(entry: ByteSource | undefined): Promise<string | undefined> {
  return entry && new TextDecoder().decode(await entry.read(0, Math.min(entry.size, 64))).trim()
}

async function openOld(source: ByteSource): Promise<Opened> {
  const { root, storages } = await openLegacy(source, storagesIn)
  return {
    root,
    bytesOf: ({ key }) => {
      return storages.get(key) ?? refuse('pytorch-storage', source.name, `the file lacks the storage ${quote(key)}.`)
    },
  }
}

/** Every storage below a value. */
function* storagesIn(root: PickleValue): Generator<Storage> {
  const seen = new Set<PickleValue>()
  const open: PickleValue[] = [root]
  while (open.length > 0) {
    const value = open.pop()!
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    if (value instanceof Storage) yield value
    else if (value instanceof StridedView) open.push(value.storage)
    else if (value instanceof Map) for (const [key, child] of value) open.push(key, child)
    else if (value instanceof Set || Array.isArray(value)) for (const child of value) open.push(child)
  }
}
