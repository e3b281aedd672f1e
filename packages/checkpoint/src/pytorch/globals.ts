import { bytesPerElement, type Dtype } from '../dtypes.ts'
import { quote, refuse } from '../refuse.ts'
import { countOf } from '../safetensors/header.ts'
import { GlobalName, isTuple, type PickleDict, type PickleValue, Storage, StridedView } from './values.ts'

/**
 * The whole list of what a pickle may name. Everything else is refused by its name, at the moment it is named. What
 * "calling" them means is written out here; nothing is ever looked up or run.
 */

const storageDtypes: Readonly<Record<string, Dtype>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
}

const torchDtypes: Readonly<Record<string, Dtype>> = {
  float64: 'F64',
  double: 'F64',
  float32: 'F32',
  float: 'F32',
  float16: 'F16',
  half: 'F16',
  bfloat16: 'BF16',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  int64: 'I64',
  long: 'I64',
  int32: 'I32',
  int: 'I32',
  int16: 'I16',
  short: 'I16',
  int8: 'I8',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  uint8: 'U8',
  bool: 'BOOL',
}

type Build = (args: readonly PickleValue[], who: string) => PickleValue

const builders: Readonly<Record<string, Build>> = {
  'collections.OrderedDict': buildOrderedDict,
  'torch._utils._rebuild_tensor': (args, who) => buildTensor(args, undefined, who),
  'torch._utils._rebuild_tensor_v2': (args, who) => buildTensor(args, undefined, who, args[6]),
  'torch._utils._rebuild_tensor_v3': (args, who) => buildTensor(args, args[6], who, args[7]),
  'torch._utils._rebuild_parameter': buildParameter,
  'torch.Size': ([sizes], who) => Object.freeze([...listOf(sizes, 'torch.Size', who)]),
  '_codecs.encode': buildBytes,
  'builtins.bytes': buildBytes,
  '__builtin__.bytes': buildBytes,
  'builtins.set': ([items], who) => new Set(items === undefined ? [] : listOf(items, 'set', who)),
  '__builtin__.set': ([items], who) => new Set(items === undefined ? [] : listOf(items, 'set', who)),
}

/** The global of that name, if it is on the list; refused by name if not. */
export function namedGlobal(module: string, name: string, who: string): GlobalName {
  const global = new GlobalName(module, name)
  const known =
    Object.hasOwn(builders, `${global}`) ||
    (module === 'torch' && Object.hasOwn(torchDtypes, name)) ||
    storageDtypeOf(global) !== undefined ||
    isUntyped(global)
  if (known) return global
  refuse(
    'pickle-forbidden-global',
    who,
    `the pickle names ${quote(`${module}.${name}`)}, which is not loaded: only tensors and plain containers are.`,
  )
}

function storageDtypeOf({ module, name }: GlobalName): Dtype | undefined {
  const torch = module === 'torch' || module === 'torch.cuda'
  return torch && Object.hasOwn(storageDtypes, name) ? storageDtypes[name] : undefined
}

const isUntyped = (global: GlobalName): boolean =>
  ['torch.UntypedStorage', 'torch.storage.UntypedStorage'].includes(`${global}`)

/** What applying a global to arguments gives: a tensor, a dictionary, bytes. */
export function buildCall(global: PickleValue, args: PickleValue, who: string): PickleValue {
  if (!(global instanceof GlobalName)) refuse('pickle-forbidden-call', who, 'the pickle calls a value.')
  if (!isTuple(args)) refuse('pickle-malformed', who, `the arguments of ${global} are not a tuple.`)
  const build = Object.hasOwn(builders, `${global}`) ? builders[`${global}`] : undefined
  if (!build) refuse('pickle-forbidden-call', who, `the pickle calls ${global}, which is only a name here.`)
  return build(args, who)
}

/** Dictionaries made as OrderedDict: the only values whose attributes (`_metadata`) a pickle may set; they are dropped. */
const orderedDicts = new WeakSet<object>()

export const isOrderedDict = (value: PickleValue): boolean =>
  typeof value === 'object' && value !== null && orderedDicts.has(value)

function buildOrderedDict([pairs]: readonly PickleValue[], who: string): PickleDict {
  const dict: PickleDict = new Map()
  for (const pair of pairs === undefined ? [] : listOf(pairs, 'OrderedDict', who)) {
    if (!Array.isArray(pair) || pair.length !== 2)
      refuse('pickle-malformed', who, 'an OrderedDict of something else than pairs.')
    dict.set(pair[0]!, pair[1]!)
  }
  orderedDicts.add(dict)
  return dict
}

/** Protocol 2 writes bytes as text in Latin-1. */
function buildBytes([text, encoding]: readonly PickleValue[], who: string): Uint8Array {
  if (text === undefined) return new Uint8Array(0)
  if (text instanceof Uint8Array) return text
  if (typeof text !== 'string' || encoding !== 'latin1') {
    refuse('pickle-malformed', who, `bytes are encoded as ${quote(encoding)}, wanted latin1.`)
  }
  return Uint8Array.from(text, (c) => {
    if (c.charCodeAt(0) > 255) refuse('pickle-malformed', who, 'a character beyond Latin-1 in bytes.')
    return c.charCodeAt(0)
  })
}

/** (tensor, requires_grad, backward_hooks). */
function buildParameter([data]: readonly PickleValue[], who: string): StridedView {
  if (!(data instanceof StridedView)) refuse('pytorch-tensor', who, 'a parameter without a tensor.')
  return data
}

/** (storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype from version 3 on, metadata). */
function buildTensor(
  args: readonly PickleValue[],
  named: PickleValue | undefined,
  who: string,
  metadata?: PickleValue,
): StridedView {
  if (metadata instanceof Map && metadata.get('neg') === true) {
    refuse('pytorch-tensor', who, 'a tensor is the negative of what is stored; save it as `tensor.resolve_neg()`.')
  }
  const [storage, offset, shape, strides] = args
  if (!(storage instanceof Storage)) refuse('pytorch-tensor', who, 'a tensor without a storage.')
  const dtype = named instanceof GlobalName ? torchDtypes[named.name] : storage.dtype
  if (!dtype) refuse('unsupported-dtype', who, `a tensor of unknown dtype ${quote(String(named ?? 'untyped'))}.`)
  if (!isIndex(offset) || !isIndices(shape) || !isIndices(strides) || shape.length !== strides.length) {
    refuse('pytorch-tensor', who, 'a tensor whose offset, size or stride are not whole numbers from 0 up.')
  }
  const count = countOf(shape, bytesPerElement[dtype])
  if (count === undefined || shape.length > 64)
    refuse('pytorch-tensor', who, `the size [${shape}] of a tensor overflows.`)
  return new StridedView(storage, dtype, offset, shape, strides, count)
}

const isIndex = (x: PickleValue | undefined): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 0
const isIndices = (x: PickleValue | undefined): x is readonly number[] =>
  Array.isArray(x) && Object.isFrozen(x) && x.every(isIndex)

/** ('storage', type, key, location, size[, view]); a view is (key, first element, elements). */
export function buildStorage(id: PickleValue, who: string): Storage {
  if (!isTuple(id) || id[0] !== 'storage') refuse('pytorch-storage', who, 'a persistent id that is not a storage.')
  const [, type, key, location, size, view] = id
  const dtype = type instanceof GlobalName ? storageDtypeOf(type) : undefined
  if (!(type instanceof GlobalName) || !(dtype || isUntyped(type))) {
    refuse('unsupported-dtype', who, `a storage of type ${quote(String(type))}.`)
  }
  if (typeof key !== 'string' || typeof location !== 'string' || !isIndex(size)) {
    refuse('pytorch-storage', who, 'a storage whose key, location or size is of the wrong type.')
  }
  if (view === undefined || view === null) return new Storage(key, dtype, size, location)
  if (!isTuple(view) || !isIndex(view[1]) || !isIndex(view[2]) || view[1] + view[2] > size) {
    refuse('pytorch-storage', who, `the view into storage ${quote(key)} does not lie inside it.`)
  }
  return new Storage(key, dtype, size, location, view[1])
}

function listOf(value: PickleValue | undefined, what: string, who: string): readonly PickleValue[] {
  return Array.isArray(value) ? value : refuse('pickle-malformed', who, `${what} of something that is not a list.`)
}
