import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { gguf } from '../__fixtures__/writing-gguf.ts'
import { isFloatDtype } from '../dtypes.ts'
import { openSource } from '../open-source.ts'
import { bytesSource } from '../sources/memory.ts'
import { blockFormats } from './blocks.ts'

const open = async (file: string) => {
  const path = new URL(`../__fixtures__/gguf/${file}`, import.meta.url)
  return await openSource(bytesSource(readFileSync(path), file))
}
const blocks = await open('blocks.gguf')
const expected = await open('blocks-expected.safetensors')
const packed = [...blockFormats.values()].filter((format) => format.decode)

describe('blocks of GGUF, as llama.cpp itself decodes them', () => {
  it.each(expected.names())('%s', async (name) => {
    expect(blocks.info(name)).toEqual({ dtype: name, shape: [2, 512] })
    expect(isFloatDtype(name)).toBe(true)
    const values = (await blocks.read(name)) as Float32Array
    const wanted = (await expected.read(name)) as Float32Array
    const differ = [...values.keys()].filter((i) => !Object.is(values[i], wanted[i]))
    expect(differ.map((i) => [i, values[i], wanted[i]])).toEqual([])
    expect(new Set(values).size).toBeGreaterThan(8) // the least that four blocks of -d, 0, d have is nine
  })

  it('holds a file of every format that is read', () => {
    expect([...blocks.names()].sort()).toEqual(packed.map(({ dtype }) => dtype as string).sort())
  })

  it('are read in pieces where a tensor is larger than one', async () => {
    // 31,000 blocks of 292 bytes pass the 8 MiB that are held at once
    const format = packed.find(({ dtype }) => dtype === 'Q8_K')!
    const count = 31_000
    const data = new Uint8Array(count * format.bytes)
    const view = new DataView(data.buffer)
    for (let i = 0; i < count; i++) {
      view.setFloat32(i * format.bytes, i, true)
      data[i * format.bytes + 4 + (i % 256)] = 3
    }
    const checkpoint = await openSource(
      bytesSource(gguf({ tensors: [{ name: 'w', dims: [256, count], type: 15, data }] })),
    )
    const values = await checkpoint.read('w')
    for (const i of [0, 1, 28_726, 28_727, 28_728, 30_999]) {
      const row = [...values.subarray(256 * i, 256 * (i + 1))]
      expect(row.findIndex((v) => v !== 0)).toBe(i === 0 ? -1 : i % 256)
      expect(row[i % 256]).toBe(3 * i)
    }
  })
})
