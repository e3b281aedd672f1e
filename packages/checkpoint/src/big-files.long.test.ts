import { type FileHandle, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dict, join as joined, op, pickle, storage, tensor, text } from './__fixtures__/writing-pickles.ts'
import { openCheckpoint } from './index.ts'

// Budget: 2 minutes, 3 GB of memory. The files are sparse: they take a few kilobytes of disk.

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-big-'))
})
afterAll(() => rm(folder, { recursive: true }))

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const huge = 4_400_000_000 // bytes, beyond 2^32
const large = 2_300_000_000 // bytes, beyond 2^31

async function writeAt(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  await handle.write(bytes, 0, bytes.length, at)
}

describe('files beyond 4 GB', () => {
  it('safetensors: a tensor beyond 2 GB, others beyond 4 GB of offset', async () => {
    const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
      dtype,
      shape,
      data_offsets: [begin, end],
    })
    const header = new TextEncoder().encode(
      JSON.stringify({
        first: entry('F32', [2], 0, 8),
        huge: entry('U8', [huge], 8, 8 + huge),
        large: entry('U8', [large], 8 + huge, 8 + huge + large),
        tail: entry('F32', [2], 8 + huge + large, 16 + huge + large),
      }),
    )
    const path = join(folder, 'big.safetensors')
    const data = 8 + header.length
    const handle = await open(path, 'w')
    await writeAt(handle, joined(new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer), header), 0)
    await writeAt(handle, floats(1, 2), data)
    await writeAt(handle, Uint8Array.of(7), data + 8 + huge)
    await writeAt(handle, Uint8Array.of(9), data + 8 + huge + large - 1)
    await writeAt(handle, floats(3, 4), data + 8 + huge + large)
    await handle.close()
    expect((await stat(path)).size).toBeGreaterThan(6.7e9)

    await using checkpoint = await openCheckpoint(path)
    expect([...(await checkpoint.read('first'))]).toEqual([1, 2])
    expect([...(await checkpoint.read('tail'))]).toEqual([3, 4])
    const values = await checkpoint.read('large')
    expect([values.length, values[0], values[1], values.at(-1)]).toEqual([large, 7, 0, 9])
  })

  it('a .pth in zip64: a storage beyond 4 GB, a view at its end, another storage behind it', async () => {
    const elements = huge / 4
    const value = dict([
      [text('far'), tensor(storage('0', elements), elements - 6, [3, 2], [2, 1])],
      [text('turned'), tensor(storage('0', elements), elements - 6, [2, 3], [1, 2])],
      [text('next'), tensor(storage('1', 2), 0, [2], [1])],
    ])
    const path = join(folder, 'big.pth')
    const handle = await open(path, 'w')
    const u16 = (n: number) => Uint8Array.of(n & 255, n >> 8)
    const u32 = (n: number) => new Uint8Array(Uint32Array.of(n).buffer)
    const u64 = (n: number) => new Uint8Array(BigUint64Array.of(BigInt(n)).buffer)
    const directory: Uint8Array[] = []
    let at = 0
    async function entry(name: string, size: number, parts: [bytes: Uint8Array, at: number][]) {
      const label = new TextEncoder().encode(name)
      const head = joined(u16(45), u16(0), u16(0), u32(0), u32(0))
      const sizes = joined(u32(0xffffffff), u32(0xffffffff), u16(label.length))
      const local = joined(op('PK\x03\x04'), head, sizes, u16(20), label, u16(1), u16(16), u64(size), u64(size))
      await writeAt(handle, local, at)
      for (const [bytes, offset] of parts) await writeAt(handle, bytes, at + local.length + offset)
      const extra = joined(u16(1), u16(24), u64(size), u64(size), u64(at))
      directory.push(
        joined(op('PK\x01\x02'), u16(45), head, sizes, u16(28), new Uint8Array(10), u32(0xffffffff), label, extra),
      )
      at += local.length + size
    }
    const bytes = pickle(value)
    await entry('big/data.pkl', bytes.length, [[bytes, 0]])
    await entry('big/data/0', huge, [[floats(1, 2, 3, 4, 5, 6), huge - 24]])
    await entry('big/data/1', 8, [[floats(7, 8), 0]])
    const size = directory.reduce((sum, part) => sum + part.length, 0)
    const end64 = joined(
      op('PK\x06\x06'),
      u64(44),
      u16(45),
      u16(45),
      u32(0),
      u32(0),
      u64(3),
      u64(3),
      u64(size),
      u64(at),
    )
    const locator = joined(op('PK\x06\x07'), u32(0), u64(at + size), u32(1))
    const end = joined(op('PK\x05\x06'), u32(0), u16(0xffff), u16(0xffff), u32(0xffffffff), u32(0xffffffff), u16(0))
    await writeAt(handle, joined(...directory, end64, locator, end), at)
    await handle.close()

    await using checkpoint = await openCheckpoint(path)
    expect([...(await checkpoint.read('far'))]).toEqual([1, 2, 3, 4, 5, 6])
    expect([...(await checkpoint.read('turned'))]).toEqual([1, 3, 5, 2, 4, 6])
    expect([...(await checkpoint.read('next'))]).toEqual([7, 8])
  })
})
