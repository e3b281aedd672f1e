import { describe, expect, it } from 'vitest'
import { type GgufToWrite, type GgufWriter, gguf } from '../__fixtures__/writing-gguf.ts'
import { float16Value } from '../half.ts'
import { bytesSource } from '../sources/memory.ts'
import { unreadTypes } from './blocks.ts'
import { openGguf } from './open.ts'

const open = (file: GgufToWrite | Uint8Array) =>
  openGguf(bytesSource(file instanceof Uint8Array ? file : gguf(file), 'model.gguf'))
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const tensor = { name: 'w', dims: [2], type: 0, data: floats(1, 2) }

/** Two blocks of each format, and their numbers worked out one by one. */
const noise = (n: number) => Uint8Array.from({ length: n }, (_, i) => (i * 89 + 41) % 256)

describe('reading GGUF', () => {
  it('turns dimensions round and reads the plain types', async () => {
    const checkpoint = await open({
      tensors: [
        { name: 'f32', dims: [3, 2], type: 0, data: floats(1, 2, 3, 4, 5, 6) },
        { name: 'f16', dims: [2], type: 1, data: Uint8Array.of(0, 0x3c, 0, 0xc0) },
        { name: 'bf16', dims: [2], type: 30, data: Uint8Array.of(0x80, 0x3f, 0, 0xc0) },
        { name: 'i32', dims: [1], type: 26, data: new Uint8Array(Int32Array.of(-7).buffer) },
        { name: 'scalar', dims: [], type: 0, data: floats(9) },
      ],
    })
    expect(checkpoint.info('f32')).toEqual({ dtype: 'F32', shape: [2, 3] })
    expect([...(await checkpoint.read('f32'))]).toEqual([1, 2, 3, 4, 5, 6])
    expect([...(await checkpoint.read('f16'))]).toEqual([1, -2])
    expect([...(await checkpoint.read('bf16'))]).toEqual([1, -2])
    expect([...(await checkpoint.read('i32'))]).toEqual([-7])
    expect([...(await checkpoint.read('scalar'))]).toEqual([9])
  })

  it('decodes Q8_0 blocks', async () => {
    const data = noise(4 * 34)
    for (let block = 0; block < 4; block++) data.set([0x66, 0x2e + block], block * 34)
    const checkpoint = await open({ tensors: [{ name: 'q', dims: [64, 2], type: 8, data }] })
    expect(checkpoint.info('q')).toEqual({ dtype: 'Q8_0', shape: [2, 64] })
    const wanted = Array.from({ length: 128 }, (_, i) => {
      const block = Math.floor(i / 32) * 34
      const scale = float16Value(data[block]! | (data[block + 1]! << 8))
      const byte = data[block + 2 + (i % 32)]!
      return Math.fround(scale * (byte > 127 ? byte - 256 : byte))
    })
    expect([...(await checkpoint.read('q'))]).toEqual(wanted)
  })

  it('decodes Q4_0 blocks', async () => {
    const data = noise(2 * 18)
    for (let block = 0; block < 2; block++) data.set([0xcd, 0xb0 + block], block * 18)
    const checkpoint = await open({ tensors: [{ name: 'q', dims: [64], type: 2, data }] })
    const wanted = Array.from({ length: 64 }, (_, i) => {
      const block = Math.floor(i / 32) * 18
      const scale = float16Value(data[block]! | (data[block + 1]! << 8))
      const byte = data[block + 2 + (i % 16)]!
      return Math.fround(scale * ((i % 32 < 16 ? byte % 16 : Math.floor(byte / 16)) - 8))
    })
    expect([...(await checkpoint.read('q'))]).toEqual(wanted)
  })

  it('reads every type of metadata', async () => {
    const key = (name: string, type: number, value: (w: GgufWriter) => GgufWriter) => (w: GgufWriter) =>
      value(w.text(name).u32(type))
    const checkpoint = await open({
      tensors: [tensor],
      keys: [
        key('u8', 0, (w) => w.u8(200)),
        key('i8', 1, (w) => w.u8(200)),
        key('u16', 2, (w) => w.u8(1, 255)),
        key('i16', 3, (w) => w.u8(1, 255)),
        key('u32', 4, (w) => w.u32(0xffffffff)),
        key('i32', 5, (w) => w.u32(0xffffffff)),
        key('f32', 6, (w) => w.f32(0.5)),
        key('bool', 7, (w) => w.u8(1)),
        key('text', 8, (w) => w.text('ü')),
        key('list', 9, (w) => w.u32(8).u64(2).text('a').text('b')),
        key('lists', 9, (w) => w.u32(9).u64(1).u32(0).u64(2).u8(1, 2)),
        key('u64', 10, (w) => w.u64(2n ** 60n)),
        key('i64', 11, (w) => w.u64(2n ** 64n - 5n)),
        key('f64', 12, (w) => w.u8(...new Uint8Array(Float64Array.of(0.1).buffer))),
      ],
    })
    expect(Object.fromEntries(checkpoint.metadata)).toEqual({
      u8: 200,
      i8: -56,
      u16: 65281,
      i16: -255,
      u32: 4294967295,
      i32: -1,
      f32: 0.5,
      bool: true,
      text: 'ü',
      list: ['a', 'b'],
      lists: [[1, 2]],
      u64: 2n ** 60n,
      i64: -5,
      f64: 0.1,
    })
  })

  it('reads headers larger than its first window, and other alignments', async () => {
    const words = Array.from({ length: 20_000 }, (_, i) => `word ${i}`)
    const keys = [
      (w: GgufWriter) => w.text('general.alignment').u32(4).u32(64),
      (w: GgufWriter) => words.reduce((u, word) => u.text(word), w.text('tokens').u32(9).u32(8).u64(words.length)),
    ]
    const checkpoint = await open({ tensors: [tensor], keys, alignment: 64 })
    expect(checkpoint.metadata.get('tokens')).toEqual(words)
    expect([...(await checkpoint.read('w'))]).toEqual([1, 2])
  })
})

describe('hostile GGUF files are refused, each with its own error', () => {
  const value = (type: number, ...bytes: number[]) => ({
    keys: [
      (w: GgufWriter) =>
        w
          .text('k')
          .u32(type)
          .u8(...bytes),
    ],
  })
  const second = { ...tensor, name: 'v' }
  it.each<[string, GgufToWrite | Uint8Array, string]>([
    ['another magic', new TextEncoder().encode('GGML and so on'), 'gguf-magic'],
    ['version 1', { version: 1 }, 'gguf-version'],
    ['version 4', { version: 4 }, 'gguf-version'],
    ['big-endian', { version: 0x03000000 }, 'big-endian'],
    ['2^60 tensors', { claimedTensors: 2n ** 60n }, 'gguf-length'],
    ['2^60 keys', { claimedKeys: 2n ** 60n }, 'gguf-length'],
    ['a tensor more than there are', { tensors: [], claimedTensors: 1n }, 'gguf-truncated'],
    ['a key twice', { keys: [(w) => w.text('k').u32(0).u8(1), (w) => w.text('k').u32(0).u8(1)] }, 'gguf-duplicate-key'],
    ['a value of an unknown type', value(13), 'gguf-value-type'],
    ['a truth value of 2', value(7, 2), 'gguf-bool'],
    [
      'a string of 2^40 bytes',
      {
        keys: [
          (w) =>
            w
              .text('k')
              .u32(8)
              .u64(2n ** 40n),
        ],
      },
      'gguf-length',
    ],
    ['a string that is not UTF-8', { keys: [(w) => w.text('k').u32(8).u64(1).u8(0xff)] }, 'gguf-text'],
    [
      'an array of 2^40 elements',
      {
        keys: [
          (w) =>
            w
              .text('k')
              .u32(9)
              .u32(0)
              .u64(2n ** 40n),
        ],
      },
      'gguf-length',
    ],
    [
      'arrays without end',
      {
        keys: [
          (w) =>
            Array(9)
              .fill(0)
              .reduce((u) => u.u32(9).u64(1), w.text('k').u32(9)),
        ],
      },
      'gguf-depth',
    ],
    [
      'an alignment of 0',
      { tensors: [tensor], keys: [(w) => w.text('general.alignment').u32(4).u32(0)] },
      'gguf-alignment',
    ],
    [
      'an alignment of text',
      { tensors: [tensor], keys: [(w) => w.text('general.alignment').u32(8).text('x')] },
      'gguf-alignment',
    ],
    ['a tensor twice', { tensors: [tensor, tensor] }, 'gguf-duplicate-tensor'],
    ['nine axes', { tensors: [{ ...tensor, dims: Array(9).fill(1) }] }, 'gguf-shape'],
    ['a shape that overflows', { tensors: [{ ...tensor, dims: [2 ** 40, 2 ** 40] }] }, 'gguf-shape'],
    ['a size of 2^63', { tensors: [{ ...tensor, dims: [2n ** 63n] }] }, 'gguf-number'],
    ['a row that is not whole blocks', { tensors: [{ ...tensor, dims: [33], type: 8 }] }, 'gguf-shape'],
    ['an offset that is not aligned', { tensors: [{ ...tensor, offset: 4 }] }, 'gguf-offset'],
    ['a tensor beyond the end', { tensors: [{ ...tensor, offset: 3200 }] }, 'gguf-truncated'],
    ['an offset of 2^63', { tensors: [{ ...tensor, offset: 2n ** 63n }] }, 'gguf-number'],
    ['tensors that overlap', { tensors: [tensor, { ...second, offset: 0 }] }, 'gguf-overlap'],
  ])('%s', async (_, file, code) => {
    await expect(open(file)).rejects.toMatchObject({ name: 'CheckpointError', code })
  })

  it.each([...unreadTypes, [999, 'of the unknown type 999'] as const])('the type %i, as %s', async (type, told) => {
    const opening = open({ tensors: [{ ...tensor, type }] })
    await expect(opening).rejects.toMatchObject({ name: 'CheckpointError', code: 'unsupported-dtype' })
    await expect(opening).rejects.toThrow(`tensor "w" is ${told}, which is not read here; take a file in another`)
  })

  it('a file cut off anywhere', async () => {
    const whole = gguf({ tensors: [tensor], keys: [(w) => w.text('k').u32(8).text('value')] })
    const dataEnd = whole.length - 24 // padding behind the data may be missing
    for (let length = 0; length < dataEnd; length++) {
      await expect(open(whole.slice(0, length))).rejects.toMatchObject({ name: 'CheckpointError' })
    }
    await open(whole.slice(0, dataEnd))
  })
})
