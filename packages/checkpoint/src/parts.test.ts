import { describe, expect, it } from 'vitest'
import { bytesOf } from './encode.ts'
import { joinParts, openCheckpoint } from './index.ts'
import { encodeSafetensors } from './safetensors/writer.ts'

const part = async (values: number[], name = 'part') => {
  const half = { name: 'h', dtype: 'F16' as const, shape: [2, 1, 2], values: Float32Array.from(values) }
  const ids = { name: 'i', dtype: 'I64' as const, shape: [4], values: BigInt64Array.from(values, BigInt) }
  const same = { name: 's', dtype: 'F32' as const, shape: [], values: Float32Array.of(values[0]!) }
  const tensors = [half, ids, same].map(({ values, ...t }) => ({ ...t, bytes: () => bytesOf(values, t.dtype, name) }))
  return await openCheckpoint(await encodeSafetensors(tensors))
}

describe('joining parts', () => {
  it('puts slices of any type and rank side by side, and takes what is whole from the first', async () => {
    const parts = [await part([1, 2, 3, 4]), await part([5, 6, 7, 8]), await part([9, 10, 11, 12])]
    const axes: Record<string, 0 | 1 | undefined> = { h: 1, i: 0 }
    await using joined = joinParts(parts, 'whole', (name) => axes[name])
    expect(joined.info('h')).toEqual({ dtype: 'F16', shape: [2, 3, 2] })
    expect([...(await joined.read('h'))]).toEqual([1, 2, 5, 6, 9, 10, 3, 4, 7, 8, 11, 12])
    expect(joined.info('i')).toEqual({ dtype: 'I64', shape: [12] })
    expect([...(await joined.read('i'))].map(Number)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    expect([...(await joined.read('s'))]).toEqual([1])
    expect(joined.info('s').shape).toEqual([])
  })

  it('holds one slice beside the result', async () => {
    const parts = [await part([1, 2, 3, 4]), await part([5, 6, 7, 8])]
    let reading = 0
    const watched = parts.map((it) => ({
      ...it,
      async read(name: string) {
        expect(++reading).toBe(1)
        const values = await it.read(name)
        reading--
        return values
      },
    }))
    await joinParts(watched, 'whole', () => undefined).read('h')
    await joinParts(watched, 'whole', (_, shape) => (shape.length > 0 ? 0 : undefined)).read('i')
  })

  it('refuses no parts, and an axis that is not there', async () => {
    expect(() => joinParts([], 'whole', () => 0)).toThrow(/there are no parts/)
    const one = await part([1, 2, 3, 4])
    expect(() => joinParts([one], 'whole', () => 1)).toThrow(/tensor "i" \[4\] has no axis 1/)
  })
})
