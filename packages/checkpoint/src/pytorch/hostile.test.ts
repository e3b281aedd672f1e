import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  dict,
  global,
  int,
  join,
  op,
  pickle,
  storage,
  tensor,
  text,
  tuple,
  zip,
} from '../__fixtures__/writing-pickles.ts'
import { bytesSource } from '../sources/memory.ts'
import { openPyTorch } from './open.ts'
import { unpickle } from './unpickle.ts'

const open = (bytes: Uint8Array) => openPyTorch(bytesSource(bytes, 'hostile.pth'))

/** An archive of one pickle and storages by key. */
const archive = (value: Uint8Array, storages: Record<string, number> = {}) =>
  zip([
    { name: 'x/data.pkl', bytes: pickle(value) },
    ...Object.entries(storages).map(([key, size]) => ({ name: `x/data/${key}`, bytes: new Uint8Array(size) })),
    { name: 'x/version', bytes: text3 },
  ])
const text3 = new TextEncoder().encode('3\n')
const weights = (t: Uint8Array) => dict([[text('w'), t]])
const good = weights(tensor(storage('0', 4), 0, [4], [1]))

/** As Python's pickle would run it: os.system('touch /tmp/...') and its kin. */
const calls: Record<string, Uint8Array> = {
  'os.system by REDUCE': join(global('os', 'system'), tuple(text('touch owned')), op('R')),
  'posix.system by REDUCE': join(global('posix', 'system'), tuple(text('touch owned')), op('R')),
  'eval by REDUCE': join(global('builtins', 'eval'), tuple(text('1')), op('R')),
  'exec of Python 2': join(global('__builtin__', 'exec'), tuple(text('1')), op('R')),
  'getattr by REDUCE': join(global('builtins', 'getattr'), tuple(text('a'), text('b')), op('R')),
  'a global with dots in its name': join(global('collections', 'OrderedDict.__class__'), op('')),
  'a module that begins like a known one': global('torch._utils_evil', '_rebuild_tensor_v2'),
  'a name that every object has': global('torch', 'constructor'),
  STACK_GLOBAL: join(text('os'), text('system'), op('\x93')),
  'torch.load itself': join(global('torch', 'load'), tuple(text('x')), op('R')),
  'torch.jit loading': global('torch.jit', 'load'),
  numpy: global('numpy.core.multiarray', '_reconstruct'),
  'functools.partial': global('functools', 'partial'),
  'a tensor subclass': global('torch._tensor', '_rebuild_from_type_v2'),
}

const opcodes: Record<string, Uint8Array> = {
  INST: join(op('('), op('ios\nsystem\n')),
  OBJ: join(op('('), global('collections', 'OrderedDict'), op('o')),
  NEWOBJ: join(global('collections', 'OrderedDict'), tuple(), op('\x81')),
  NEWOBJ_EX: join(global('collections', 'OrderedDict'), tuple(), op('}'), op('\x92')),
  EXT1: op('\x82\x01'),
  PERSID: op('Psomething\n'),
}

const malformed: Record<string, [value: Uint8Array, code: string]> = {
  'a call of a string': [join(text('x'), tuple(), op('R')), 'pickle-forbidden-call'],
  'a call of a storage type': [join(global('torch', 'FloatStorage'), tuple(), op('R')), 'pickle-forbidden-call'],
  'arguments that are a list': [join(global('collections', 'OrderedDict'), op(']R')), 'pickle-malformed'],
  'attributes on a dictionary': [join(op('}}'), op('b')), 'pickle-forbidden-build'],
  'attributes on a tensor': [weights(join(tensor(storage('0', 4), 0, [4], [1]), op('}b'))), 'pickle-forbidden-build'],
  'taking from an empty stack': [op('0'), 'pickle-malformed'],
  'a tuple from an empty stack': [op('\x87'), 'pickle-malformed'],
  'a mark that was never set': [op('t'), 'pickle-malformed'],
  'values left over': [op('NN'), 'pickle-malformed'],
  'an unknown opcode': [op('\xff'), 'pickle-malformed'],
  'a memo that was never stored': [op('h\x07'), 'pickle-malformed'],
  'appending to a tuple': [join(tuple(), op('Na')), 'pickle-malformed'],
  'appending to a dictionary': [op('}Na'), 'pickle-malformed'],
  'setting an item of a list': [op(']NNs'), 'pickle-malformed'],
  'a key without a value': [op('}(Nu'), 'pickle-malformed'],
  'a key that is a list': [op('}]Ns'), 'pickle-malformed'],
  'a string longer than the file': [op('X\xff\xff\xff\x7f'), 'pickle-truncated'],
  'a string of 2^63 bytes': [op('\x8d\xff\xff\xff\xff\xff\xff\xff\x7f'), 'pickle-length'],
  'a string of negative length': [op('T\xff\xff\xff\xff'), 'pickle-length'],
  'an integer of 4 GB': [op('\x8b\xff\xff\xff\xff'), 'pickle-length'],
  'a name without an end': [op(`c${'x'.repeat(5000)}`), 'pickle-length'],
  'a string that is not UTF-8': [op('X\x01\x00\x00\x00\xff'), 'pickle-text'],
  'protocol 9': [op('\x80\x09N'), 'pickle-protocol'],
  'a persistent id that is text': [join(text('x'), op('Q')), 'pytorch-storage'],
  'a persistent id of something else': [join(tuple(text('module'), text('x')), op('Q')), 'pytorch-storage'],
  'a storage of an unknown type': [storage('0', 4, 'ComplexFloatStorage'), 'pickle-forbidden-global'],
  'a storage typed by a function': [storage('0', 4, '_utils _rebuild_parameter'), 'pickle-forbidden-global'],
  'a storage of negative size': [storage('0', -4), 'pytorch-storage'],
  'a storage of two sizes': [
    dict([
      [text('a'), tensor(storage('0', 4), 0, [4], [1])],
      [text('b'), tensor(storage('0', 8), 0, [4], [1])],
    ]),
    'pytorch-storage',
  ],
  'a storage that is not there': [weights(tensor(storage('9', 4), 0, [4], [1])), 'pytorch-storage'],
  'a storage outside its folder': [weights(tensor(storage('../../0', 4), 0, [4], [1])), 'pytorch-storage'],
  'a storage of another size': [weights(tensor(storage('0', 5), 0, [4], [1])), 'pytorch-storage'],
  'a tensor without a storage': [weights(tensor(text('x'), 0, [4], [1])), 'pytorch-tensor'],
  'a negative offset': [weights(tensor(storage('0', 4), -1, [4], [1])), 'pytorch-tensor'],
  'a negative size': [weights(tensor(storage('0', 4), 0, [-4], [1])), 'pytorch-tensor'],
  'a negative stride': [weights(tensor(storage('0', 4), 3, [4], [-1])), 'pytorch-tensor'],
  'sizes and strides of different number': [weights(tensor(storage('0', 4), 0, [4], [1, 1])), 'pytorch-tensor'],
  'a size that overflows': [weights(tensor(storage('0', 4), 0, [2 ** 30, 2 ** 30], [0, 0])), 'pytorch-tensor'],
  'a view beyond its storage': [weights(tensor(storage('0', 4), 1, [4], [1])), 'pytorch-view'],
  'a stride beyond its storage': [weights(tensor(storage('0', 4), 0, [2], [4])), 'pytorch-view'],
  'a tensor that repeats its storage a billion times': [
    weights(tensor(storage('0', 4), 0, [2 ** 30], [0])),
    'pytorch-view',
  ],
  'a parameter of text': [
    weights(join(global('torch._utils', '_rebuild_parameter'), tuple(text('x')), op('R'))),
    'pytorch-tensor',
  ],
  'no tensor at all': [dict([[text('a'), int(1)]]), 'pytorch-empty'],
  nothing: [op('N'), 'pytorch-empty'],
  'two tensors of one name': [
    dict([
      [text('a.b'), tensor(storage('0', 4), 0, [4], [1])],
      [text('a'), dict([[text('b'), tensor(storage('0', 4), 0, [4], [1])]])],
    ]),
    'pytorch-name',
  ],
  'a list that contains itself': [
    dict([
      [text('a'), op(']q\x01h\x01a')],
      [text('w'), tensor(storage('0', 4), 0, [4], [1])],
    ]),
    'pytorch-depth',
  ],
  'nesting without end': [join(op('('.repeat(0)), op(']'.repeat(5000)), op('a'.repeat(4999))), 'pytorch-depth'],
  'lists of the same lists, unfolding to 10^9 values': [unfolding(), 'pytorch-unfolds'],
}

/** [a]*10, ten of those, and so on nine times, each remembered and recalled. */
function unfolding(): Uint8Array {
  let list = join(op(']('), ...Array(10).fill(tensor(storage('0', 4), 0, [4], [1])), op('e'))
  for (let level = 0; level < 9; level++) {
    const memo = String.fromCharCode(level)
    list = join(list, op(`q${memo}0](`), op(`h${memo}`.repeat(10)), op('e'))
  }
  return list
}

describe('hostile pickles are refused, each with its own error, and nothing of theirs runs', () => {
  it.each(Object.entries(calls))('%s', async (_, value) => {
    await expect(open(archive(weights(value)))).rejects.toMatchObject({ code: 'pickle-forbidden-global' })
  })

  it.each(Object.entries(opcodes))('the opcode %s', async (name, value) => {
    await expect(open(archive(value))).rejects.toMatchObject({
      code: 'pickle-forbidden-opcode',
      message: expect.stringContaining(name),
    })
  })

  it.each(Object.entries(malformed))('%s', async (_, [value, code]) => {
    await expect(open(archive(value, { 0: 16 }))).rejects.toMatchObject({ name: 'CheckpointError', code })
  })

  it('names what it refuses', async () => {
    await expect(open(archive(calls['os.system by REDUCE']!))).rejects.toThrow('"os.system"')
  })

  it('a pickle cut off anywhere', () => {
    const whole = pickle(good)
    for (let length = 0; length < whole.length; length++) {
      expect(() => unpickle(whole.slice(0, length), 0, 'x')).toThrow('ends')
    }
  })
})

describe('hostile archives', () => {
  const entries = [
    { name: 'x/data.pkl', bytes: pickle(good) },
    { name: 'x/data/0', bytes: new Uint8Array(16) },
  ]
  const whole = zip(entries)

  it('reads the archive that the defects start from', async () => {
    expect((await open(whole)).names()).toEqual(['w'])
    const packed = entries.map((e) => ({ ...e, packed: deflateRawSync(e.bytes) }))
    const checkpoint = await open(zip(packed))
    expect(await checkpoint.read('w')).toEqual(new Float32Array(4))
  })

  it('cut off anywhere', async () => {
    for (let length = 2; length < whole.length; length++) {
      await expect(open(whole.slice(0, length))).rejects.toMatchObject({ name: 'CheckpointError' })
    }
  })

  it.each<[string, Uint8Array, string]>([
    ['an entry twice', zip([...entries, entries[1]!]), 'zip-duplicate-entry'],
    ['no pickle', zip([{ name: 'x/other', bytes: text3 }]), 'pytorch-archive'],
    ['two pickles', zip([...entries, { name: 'y/data.pkl', bytes: pickle(good) }]), 'pytorch-archive'],
    [
      'big-endian data',
      zip([...entries, { name: 'x/byteorder', bytes: new TextEncoder().encode('big') }]),
      'big-endian',
    ],
    ['code', zip([...entries, { name: 'x/constants.pkl', bytes: pickle(op('N')) }]), 'pytorch-torchscript'],
    ['an encrypted entry', zip(entries.map((e) => ({ ...e, flags: 1 }))), 'zip-malformed'],
    ['an unknown compression', zip(entries.map((e) => ({ ...e, method: 12 }))), 'zip-compression'],
    ['entries on the same bytes', zip(entries.map((e) => ({ ...e, at: 0 }))), 'zip-overlap'],
    ['an entry beyond the file', zip(entries.map((e) => ({ ...e, at: 1 << 20 }))), 'read-outside'],
    [
      'an entry whose size is a lie',
      zip(entries.map((e) => ({ ...e, packed: deflateRawSync(e.bytes), claims: 2 ** 28 }))),
      'zip-malformed',
    ],
    [
      'a packed entry that ends early',
      zip(entries.map((e) => ({ ...e, packed: deflateRawSync(e.bytes), claims: e.bytes.length + 1 }))),
      'zip-malformed',
    ],
    [
      'a packed entry that is noise',
      zip(entries.map((e) => ({ ...e, packed: new Uint8Array(e.bytes.length).fill(0xff) }))),
      'zip-malformed',
    ],
    ['an empty archive', zip([]), 'pytorch-archive'],
    ['something that is no checkpoint', new TextEncoder().encode('PK and nothing of it'), 'zip-malformed'],
    ['some other pickle', pickle(op('}')), 'pytorch-magic'],
    ['nothing', new Uint8Array(0), 'pickle-truncated'],
  ])('%s', async (_, bytes, code) => {
    await expect(open(bytes)).rejects.toMatchObject({ name: 'CheckpointError', code })
  })
})
