import { describe, expect, it } from 'vitest'
import { bytesSource } from '../sources/memory.ts'
import { openSafetensors } from './reader.ts'

/** A file of a header, as text or bytes, and so many bytes of data. */
function file(header: string | Uint8Array, dataBytes = 0, claimed?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const out = new Uint8Array(8 + text.length + dataBytes)
  new DataView(out.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true)
  out.set(text, 8)
  return out
}

const one = (fields: object): string =>
  JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } })
const two = (first: [number, number], second: [number, number]): string =>
  JSON.stringify({
    a: { dtype: 'U8', shape: [first[1] - first[0]], data_offsets: first },
    b: { dtype: 'U8', shape: [second[1] - second[0]], data_offsets: second },
  })

/** One defect each, and the code of the error it must have. */
const hostile: Record<string, [bytes: Uint8Array, code: string]> = {
  'an empty file': [new Uint8Array(0), 'safetensors-truncated'],
  'seven bytes': [new Uint8Array(7), 'safetensors-truncated'],
  'a header of 2^64 - 1 bytes': [file('{}', 8, 2n ** 64n - 1n), 'safetensors-header-size'],
  'a header of 100 MB and one byte': [file('{}', 8, 100_000_001n), 'safetensors-header-size'],
  'a header longer than the file': [file('{}', 8, 100n), 'safetensors-truncated'],
  'a header of no bytes': [file('', 8), 'safetensors-header-start'],
  'a header that begins with a space': [file(' {}'), 'safetensors-header-start'],
  'a header that is a list': [file('[]'), 'safetensors-header-start'],
  'a header that is not UTF-8': [
    file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)),
    'safetensors-header-utf8',
  ],
  'a header cut off': [file('{"a": '), 'json-malformed'],
  'text after the header': [file('{} x'), 'json-malformed'],
  'a comma too many': [file('{"a":1,}'), 'json-malformed'],
  'a raw control character in a name': [file('{"a\n":1}'), 'json-malformed'],
  'an unknown escape in a name': [file('{"\\x":1}'), 'json-malformed'],
  'a name without an end': [file('{"a'), 'json-malformed'],
  'nesting without end': [file(`{"a":${'['.repeat(50_000)}`), 'json-depth'],
  'a tensor listed twice': [
    file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`),
    'json-duplicate-key',
  ],
  'a field listed twice': [
    file('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    'json-duplicate-key',
  ],
  'metadata twice': [file('{"__metadata__":{},"__metadata__":{}}'), 'json-duplicate-key'],
  'metadata that is a list': [file('{"__metadata__":[]}'), 'safetensors-metadata'],
  'metadata with a number': [file('{"__metadata__":{"a":1}}'), 'safetensors-metadata'],
  'an entry that is a number': [file('{"a":1}'), 'safetensors-entry'],
  'an entry that is null': [file('{"a":null}'), 'safetensors-entry'],
  'an entry without a dtype': [file('{"a":{"shape":[0],"data_offsets":[0,0]}}'), 'safetensors-entry'],
  'an entry without a shape': [file('{"a":{"dtype":"U8","data_offsets":[0,0]}}'), 'safetensors-entry'],
  'an entry without offsets': [file('{"a":{"dtype":"U8","shape":[0]}}'), 'safetensors-entry'],
  'an entry with an unknown field': [file(one({ code: 'x' }), 8), 'safetensors-entry'],
  'an unknown dtype': [file(one({ dtype: 'F31' }), 8), 'unsupported-dtype'],
  'a dtype of four bits': [file(one({ dtype: 'F4' }), 8), 'unsupported-dtype'],
  'a dtype that every object has': [file(one({ dtype: 'toString' }), 8), 'unsupported-dtype'],
  'a dtype that is a number': [file(one({ dtype: 5 }), 8), 'unsupported-dtype'],
  'a shape that is a number': [file(one({ shape: 2 }), 8), 'safetensors-shape'],
  'a negative size': [file(one({ shape: [-2] }), 8), 'safetensors-shape'],
  'a size that is text': [file(one({ shape: ['2'] }), 8), 'safetensors-shape'],
  'a size with a fraction': [file('{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}', 8), 'json-integer'],
  'a size in powers of ten': [file('{"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}', 8), 'json-integer'],
  'a size beyond 2^53': [
    file('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,8]}}', 8),
    'json-integer',
  ],
  'a shape whose product overflows': [file(one({ shape: [2 ** 30, 2 ** 30, 2 ** 30] }), 8), 'safetensors-shape'],
  'one offset': [file(one({ data_offsets: [0] }), 8), 'safetensors-offsets'],
  'three offsets': [file(one({ data_offsets: [0, 8, 16] }), 8), 'safetensors-offsets'],
  'negative offsets': [file(one({ data_offsets: [-8, 0] }), 8), 'safetensors-offsets'],
  'offsets the wrong way round': [file(one({ data_offsets: [8, 0] }), 8), 'safetensors-extent'],
  'offsets that do not fit the shape': [file(one({ data_offsets: [0, 4] }), 4), 'safetensors-extent'],
  'a tensor beyond the end': [file(one({}), 4), 'safetensors-truncated'],
  'a tensor far beyond the end': [file(one({ data_offsets: [2 ** 50, 2 ** 50 + 8] }), 8), 'safetensors-truncated'],
  'tensors that overlap': [file(two([0, 4], [2, 6]), 6), 'safetensors-overlap'],
  'two tensors on the same bytes': [file(two([0, 4], [0, 4]), 4), 'safetensors-overlap'],
  'a hole between tensors': [file(two([0, 4], [6, 8]), 8), 'safetensors-hole'],
  'a hole before the first tensor': [file(one({ data_offsets: [4, 12] }), 12), 'safetensors-hole'],
  'bytes behind the last tensor': [file(one({}), 9), 'safetensors-trailing'],
  'bytes and no tensor': [file('{}', 1), 'safetensors-trailing'],
}

describe('hostile safetensors files are refused, each with its own error', () => {
  it.each(Object.entries(hostile))('%s', async (_, [bytes, code]) => {
    await expect(openSafetensors(bytesSource(bytes, 'hostile.safetensors'))).rejects.toMatchObject({
      name: 'CheckpointError',
      code,
      message: expect.stringContaining('hostile.safetensors'),
    })
  })

  it('refuses truth values other than 0 and 1 when they are read', async () => {
    const header = JSON.stringify({ a: { dtype: 'BOOL', shape: [2], data_offsets: [0, 2] } })
    const bytes = file(header, 2)
    bytes[bytes.length - 1] = 2
    const checkpoint = await openSafetensors(bytesSource(bytes))
    await expect(checkpoint.read('a')).rejects.toMatchObject({ code: 'bool-value' })
  })

  it('takes what only looks odd', async () => {
    const names = ['__proto__', 'constructor', '0', '', 'ü\u0000']
    const entries = names.map((name) => `${JSON.stringify(name)}:{"dtype":"U8","shape":[0,7],"data_offsets":[0,0]}`)
    const checkpoint = await openSafetensors(bytesSource(file(`{${entries.join(' , ')}}   `)))
    expect(checkpoint.names()).toEqual(names)
    expect(await checkpoint.read('__proto__')).toEqual(new Uint8Array(0))
    await expect(checkpoint.read('toString')).rejects.toMatchObject({ code: 'no-such-tensor' })
    expect((await openSafetensors(bytesSource(file('{}')))).names()).toEqual([])
  })
})
