import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesPerElement, type Dtype, type TensorValues } from '../dtypes.ts'
import { bytesOf } from '../encode.ts'
import { bytesSource } from '../sources/memory.ts'
import { openSafetensors } from './reader.ts'
import { encodeSafetensors, type TensorToWrite } from './writer.ts'

fc.configureGlobal({ seed: 1 })

const dtypes = (Object.keys(bytesPerElement) as Dtype[]).filter((dtype) => dtype !== 'BOOL')
const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })

/** Any bytes of any dtype and shape: what is written must be read, whatever the bits mean. */
const tensors = fc
  .uniqueArray(fc.tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom(...dtypes), shapes), {
    selector: ([name]) => name,
    maxLength: 8,
  })
  .map((list) => list.filter(([name]) => name !== '__metadata__'))

const sizeOf = (shape: readonly number[]) => shape.reduce((a, d) => a * d, 1)

describe('writing safetensors', () => {
  it('gives back every bit of every dtype, whatever the names', async () => {
    await fc.assert(
      fc.asyncProperty(
        tensors,
        fc.dictionary(fc.string(), fc.string()),
        fc.infiniteStream(fc.nat(255)),
        async (list, metadata, noise) => {
          const content = list.map(([, dtype, shape]) =>
            Uint8Array.from({ length: sizeOf(shape) * bytesPerElement[dtype] }, () => noise.next().value!),
          )
          const toWrite = list.map(
            ([name, dtype, shape], i): TensorToWrite => ({ name, dtype, shape, bytes: () => content[i]! }),
          )
          const file = await encodeSafetensors(toWrite, metadata)
          const checkpoint = await openSafetensors(bytesSource(file))
          expect([...checkpoint.names()].sort()).toEqual(list.map(([name]) => name).sort())
          expect(Object.fromEntries(checkpoint.metadata)).toEqual({ ...metadata })
          for (const [i, [name, dtype, shape]] of list.entries()) {
            expect(checkpoint.info(name)).toEqual({ dtype, shape })
            const values = await checkpoint.read(name)
            expect(values.length).toBe(sizeOf(shape))
            const narrow = ['F16', 'BF16', 'F8_E4M3', 'F8_E5M2'].includes(dtype)
            if (!narrow) expect(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)).toEqual(content[i])
          }
          expect(await encodeSafetensors(toWrite.toReversed(), metadata)).toEqual(file)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('aligns the data and every tensor in it', async () => {
    const sizes: [string, Dtype, number][] = [
      ['b', 'U8', 3],
      ['a', 'F64', 2],
      ['c', 'F16', 5],
      ['d', 'F32', 1],
    ]
    const file = await encodeSafetensors(
      sizes.map(([name, dtype, n]) => ({
        name,
        dtype,
        shape: [n],
        bytes: () => new Uint8Array(n * bytesPerElement[dtype]),
      })),
    )
    const length = Number(new DataView(file.buffer).getBigUint64(0, true))
    expect(length % 8).toBe(0)
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)))
    for (const [name, dtype] of sizes) expect(header[name].data_offsets[0] % bytesPerElement[dtype]).toBe(0)
    expect(Object.keys(header)).toEqual(['a', 'd', 'c', 'b'])
  })

  it('refuses names twice, reserved names and bytes of the wrong length', async () => {
    const tensor = (name: string, bytes = 4): TensorToWrite => ({
      name,
      dtype: 'F32',
      shape: [1],
      bytes: () => new Uint8Array(bytes),
    })
    await expect(encodeSafetensors([tensor('a'), tensor('a')])).rejects.toMatchObject({ code: 'write-name' })
    await expect(encodeSafetensors([tensor('__metadata__')])).rejects.toMatchObject({ code: 'write-name' })
    await expect(encodeSafetensors([tensor('a', 5)])).rejects.toMatchObject({ code: 'write-length' })
  })
})

describe('bytesOf', () => {
  const decoded = (values: TensorValues, dtype: Dtype) => bytesOf(values, dtype, 'x')

  it('converts integers that fit and refuses those that do not', () => {
    expect([...new BigInt64Array(decoded(Int32Array.of(-1, 5), 'I64').buffer)]).toEqual([-1n, 5n])
    expect([
      ...new Int8Array(
        decoded(
          BigInt64Array.of(-128n, 127n).map((v) => v),
          'I64',
        ).buffer,
      ),
    ]).toHaveLength(16)
    expect([...new Int8Array(decoded(Int32Array.of(-128, 127), 'I8').buffer)]).toEqual([-128, 127])
    for (const [values, dtype] of [
      [Int32Array.of(128), 'I8'],
      [Int32Array.of(-1), 'U64'],
      [Int32Array.of(2), 'BOOL'],
      [Uint8Array.of(255), 'I8'],
      [BigUint64Array.of(2n ** 63n), 'I64'],
      [BigInt64Array.of(2n ** 31n), 'I32'],
    ] as [TensorValues, Dtype][]) {
      expect(() => decoded(values, dtype)).toThrow(expect.objectContaining({ code: 'encode-range' }))
    }
  })

  it('refuses finite numbers beyond F16, and floats as integers', () => {
    expect(() => decoded(Float32Array.of(70000), 'F16')).toThrow(expect.objectContaining({ code: 'encode-range' }))
    expect([...new Uint16Array(decoded(Float32Array.of(Number.POSITIVE_INFINITY), 'F16').buffer)]).toEqual([0x7c00])
    expect(() => decoded(Float32Array.of(1), 'I32')).toThrow(expect.objectContaining({ code: 'encode-dtype' }))
    expect(() => decoded(Int32Array.of(1), 'F32')).toThrow(expect.objectContaining({ code: 'encode-dtype' }))
  })

  it('rounds doubles to float32 only when asked', () => {
    expect(new Float64Array(decoded(Float64Array.of(0.1), 'F64').buffer)[0]).toBe(0.1)
    expect(new Float32Array(decoded(Float64Array.of(0.1), 'F32').buffer)[0]).toBe(Math.fround(0.1))
  })
})
