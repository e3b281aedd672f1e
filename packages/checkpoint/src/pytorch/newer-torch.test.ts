import { describe, expect, it } from 'vitest'
import { dict, global, int, join, op, pickle, text, tuple, zip } from '../__fixtures__/writing-pickles.ts'
import { bytesSource } from '../sources/memory.ts'
import { openPyTorch } from './open.ts'

// What torch 2 and torch before 0.4 write and torch 1.13 does not, written by hand from their documented forms.

const storage = (module: string, type: string, key: string, size: number, ...rest: Uint8Array[]) =>
  join(tuple(text('storage'), global(module, type), text(key), text('cpu'), int(size), ...rest), op('Q'))

const archive = (value: Uint8Array, storages: Record<string, Uint8Array>) =>
  zip([
    { name: 'archive/data.pkl', bytes: pickle(value) },
    { name: 'archive/byteorder', bytes: new TextEncoder().encode('little') },
    { name: 'archive/.format_version', bytes: new TextEncoder().encode('1') },
    ...Object.entries(storages).map(([key, bytes]) => ({ name: `archive/data/${key}`, bytes })),
    { name: 'archive/.data/serialization_id', bytes: new TextEncoder().encode('0123') },
  ])

const v3 = (from: Uint8Array, shape: number[], dtype: string, metadata = op('}')) =>
  join(
    global('torch._utils', '_rebuild_tensor_v3'),
    tuple(
      from,
      int(0),
      tuple(...shape.map(int)),
      tuple(...shape.map((_, i) => int(shape.slice(i + 1).reduce((a, d) => a * d, 1)))),
      op('\x89'),
      join(global('collections', 'OrderedDict'), op(')R')),
      global('torch', dtype),
      metadata,
    ),
    op('R'),
  )

describe('tensors of torch 2 with untyped storages', () => {
  it('reads uint16, uint32, uint64 and 8-bit floats', async () => {
    const bytes = {
      a: new Uint8Array(Uint16Array.of(1, 65535).buffer),
      b: new Uint8Array(Uint32Array.of(1, 4294967295).buffer),
      c: new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer),
      d: Uint8Array.of(0x38, 0xfe),
    }
    const untyped = (key: keyof typeof bytes) => storage('torch.storage', 'UntypedStorage', key, bytes[key].length)
    const value = dict([
      [text('u16'), v3(untyped('a'), [2], 'uint16')],
      [text('u32'), v3(untyped('b'), [1, 2], 'uint32')],
      [text('u64'), v3(untyped('c'), [1], 'uint64')],
      [text('f8'), v3(untyped('d'), [2], 'float8_e4m3fn')],
    ])
    const checkpoint = await openPyTorch(bytesSource(archive(value, bytes)))
    expect([...(await checkpoint.read('u16'))]).toEqual([1, 65535])
    expect(checkpoint.info('u32')).toEqual({ dtype: 'U32', shape: [1, 2] })
    expect([...(await checkpoint.read('u64'))]).toEqual([2n ** 64n - 1n])
    expect(checkpoint.info('f8').dtype).toBe('F8_E4M3')
    expect([...(await checkpoint.read('f8'))]).toEqual([1, -448])
  })

  it('refuses a tensor that is the negative of its storage', async () => {
    const bytes = { a: new Uint8Array(Float32Array.of(1, 2).buffer) }
    const from = storage('torch', 'FloatStorage', 'a', 2)
    const negative = (metadata: Uint8Array) => openPyTorch(bytesSource(archive(dict([[text('w'), metadata]]), bytes)))
    const flagged = (flag: string) => v3(from, [2], 'float32', dict([[text('neg'), op(flag)]]))
    await expect(negative(flagged('\x88'))).rejects.toMatchObject({
      code: 'pytorch-tensor',
      message: expect.stringContaining('resolve_neg'),
    })
    expect([...(await (await negative(flagged('\x89'))).read('w'))]).toEqual([1, 2])
    const order = join(global('collections', 'OrderedDict'), op(')R'))
    const second = join(
      global('torch._utils', '_rebuild_tensor_v2'),
      tuple(from, int(0), tuple(int(2)), tuple(int(1)), op('\x89'), order, dict([[text('neg'), op('\x88')]])),
      op('R'),
    )
    await expect(negative(second)).rejects.toMatchObject({ code: 'pytorch-tensor' })
  })

  it('refuses a dtype that it does not know, by name', async () => {
    const value = dict([[text('w'), v3(storage('torch', 'UntypedStorage', 'a', 2), [2], 'complex32')]])
    const opening = openPyTorch(bytesSource(archive(value, { a: new Uint8Array(2) })))
    await expect(opening).rejects.toMatchObject({ message: expect.stringContaining('torch.complex32') })
  })
})

describe('tensors of torch before 0.4', () => {
  it('reads views into a storage, tensors of the first version, and storages of torch.cuda', async () => {
    const view = tuple(text('view'), int(2), int(3))
    const from = storage('torch.cuda', 'FloatStorage', 'root', 6, view)
    const first = join(
      global('torch._utils', '_rebuild_tensor'),
      tuple(from, int(1), tuple(int(2)), tuple(int(1))),
      op('R'),
    )
    const header = join(
      pickle(op('\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19')),
      pickle(int(1001)),
      pickle(dict([[text('little_endian'), op('\x88')]])),
      pickle(dict([[text('w'), first]])),
      pickle(join(op(']('), text('root'), op('e'))),
    )
    const data = new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer)
    const bytes = join(header, new Uint8Array(BigInt64Array.of(6n).buffer), data)
    const checkpoint = await openPyTorch(bytesSource(bytes))
    expect([...(await checkpoint.read('w'))]).toEqual([3, 4])
    await expect(openPyTorch(bytesSource(bytes.slice(0, -1)))).rejects.toMatchObject({ code: 'pytorch-truncated' })
    const outside = storage('torch', 'FloatStorage', 'root', 6, tuple(text('view'), int(4), int(3)))
    const wrong = dict([[text('w'), outside]])
    const opening = openPyTorch(bytesSource(archive(wrong, { root: data })))
    await expect(opening).rejects.toMatchObject({ code: 'pytorch-storage' })
  })
})
