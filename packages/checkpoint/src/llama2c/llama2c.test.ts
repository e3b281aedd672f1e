import { describe, expect, it } from 'vitest'
import { type Llama2cToWrite, llama2c, smallLlama2c } from '../__fixtures__/writing-llama2c.ts'
import { openSource } from '../open-source.ts'
import { bytesSource } from '../sources/memory.ts'
import { openLlama2c } from './open.ts'

const open = (bytes: Uint8Array) => openSource(bytesSource(bytes, 'model.bin'))

describe.each([0, 1, 2] as const)("llama2.c's format, version %i", (version) => {
  it.each([true, false])('names and reads every tensor, head shared: %s', async (shared) => {
    const file = smallLlama2c(version, shared)
    const checkpoint = await open(llama2c(file))
    expect(checkpoint.format).toBe('llama2c')
    expect(checkpoint.has('output.weight')).toBe(!shared)
    expect(checkpoint.names()).toHaveLength(2 + 2 * 9 + Number(!shared))
    const { weights: _, shared: __, groupSize, ...sizes } = file
    const told = { ...sizes, shared_classifier: shared, ...(version === 2 ? { group_size: groupSize } : {}) }
    expect(Object.fromEntries(checkpoint.metadata)).toEqual(told)
    for (const name of checkpoint.names()) {
      const values = (await checkpoint.read(name)) as Float32Array
      const wanted = file.weights(name)
      const { dtype, shape } = checkpoint.info(name)
      const packed = version === 2 && shape.length === 2
      expect(dtype).toBe(packed ? 'I8_GROUPS' : 'F32')
      expect(shape.reduce((a, d) => a * d, 1)).toBe(wanted.length)
      if (!packed) expect([...values]).toEqual([...wanted])
      // half a step of the group's scale
      else values.forEach((v, i) => void expect(Math.abs(v - wanted[i]!)).toBeLessThan(wanted[i]! / 200))
    }
    expect(checkpoint.info('layers.1.attention.wk.weight').shape).toEqual([4, 8])
    expect(checkpoint.info('layers.0.feed_forward.w2.weight').shape).toEqual([8, 12])
  })
})

it('multiplies each weight by the scale of its group', async () => {
  const bytes = llama2c(smallLlama2c(2, true))
  const at = 256 + 4 * 5 * 8 // behind the norms: 48 weights of the embedding, then 12 scales
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 48; i++) view.setInt8(at + i, 3 * i - 128)
  for (let i = 0; i < 12; i++) view.setFloat32(at + 48 + 4 * i, 0.1 * (i + 1), true)
  const wanted = Array.from({ length: 48 }, (_, i) =>
    Math.fround((3 * i - 128) * Math.fround(0.1 * (Math.floor(i / 4) + 1))),
  )
  expect([...(await (await open(bytes)).read('tok_embeddings.weight'))]).toEqual(wanted)
})

it('tells a model of 128 features from a pickle, which begins with the same byte', async () => {
  const sizes = { dim: 128, hidden_dim: 2, n_layers: 1, n_heads: 2, n_kv_heads: 2, vocab_size: 3, max_seq_len: 1 }
  const lengths: Record<string, number> = { wq: 128, wk: 128, wv: 128, wo: 128, w1: 2, w2: 2, w3: 2, tok_embeddings: 3 }
  const weights = (name: string) => new Float32Array(128 * (lengths[name.split('.').at(-2)!] ?? 1)).fill(7)
  const bytes = llama2c({ ...sizes, version: 0, shared: true, weights })
  expect(bytes[0]).toBe(0x80)
  expect((await open(bytes)).format).toBe('llama2c')
})

describe("hostile files of llama2.c's are refused, each with its own error", () => {
  const file = (version: 0 | 1 | 2, changes: Partial<Llama2cToWrite> = {}) =>
    llama2c({ ...smallLlama2c(version, true), ...changes })
  const i32 = (bytes: Uint8Array, at: number, value: number) => {
    new DataView(bytes.buffer).setInt32(at, value, true)
    return bytes
  }
  const max = 2 ** 31 - 1
  const keys = ['dim', 'hidden_dim', 'n_layers', 'n_heads', 'n_kv_heads', 'vocab_size', 'max_seq_len']

  it.each(keys.flatMap((key, i) => [0, -1, -max, max].map((value) => [key, value, i] as const)))(
    '%s of %i',
    async (key, value, i) => {
      for (const version of [0, 1, 2] as const) {
        const bytes = i32(file(version), (version === 0 ? 0 : 8) + 4 * i, value)
        // a negative vocabulary is a head of its own in version 0, which is then not there; run.c's length is told, not stored
        const told = version > 0 && key === 'max_seq_len' && value > 0
        if (told) expect((await openLlama2c(bytesSource(bytes))).metadata.get(key)).toBe(value)
        else
          await expect(openLlama2c(bytesSource(bytes))).rejects.toMatchObject({
            name: 'CheckpointError',
            code: expect.stringMatching(/^llama2c-(header|truncated|trailing)$/),
          })
      }
    },
  )

  it.each<[string, Uint8Array, string]>([
    ['sizes whose product overflows', i32(i32(file(1), 8 + 20, max), 8 + 4, max), 'llama2c-truncated'],
    ['a size in version 0 whose product overflows', i32(i32(file(0), 0, 2 ** 30), 20, max), 'llama2c-header'],
    ['version 3', i32(file(1), 4, 3), 'llama2c-version'],
    ['version -1', i32(file(1), 4, -1), 'llama2c-version'],
    ['heads that do not divide the width', i32(file(1), 8 + 12, 3), 'llama2c-header'],
    ['heads of an odd width', i32(file(1), 8 + 12, 8), 'llama2c-header'],
    ['heads that do not divide by their groups', i32(i32(file(1), 8 + 12, 4), 8 + 16, 3), 'llama2c-header'],
    ['20,000 layers', i32(file(1), 8 + 8, 20_000), 'llama2c-header'],
    ['a flag of 2', file(1).with(36, 2), 'llama2c-header'],
    ['groups of 0', i32(file(2), 37, 0), 'llama2c-header'],
    ['groups of -4', i32(file(2), 37, -4), 'llama2c-header'],
    ['groups of 5', i32(file(2), 37, 5), 'llama2c-header'],
    ['bytes to spare', Uint8Array.from([...file(1), 0]), 'llama2c-trailing'],
    ['version 2 said to be 1', i32(file(2), 4, 1), 'llama2c-truncated'],
    ['version 1 said to be 2', i32(i32(file(1), 4, 2), 37, 4), 'llama2c-trailing'],
    ['nothing', new Uint8Array(), 'llama2c-truncated'],
  ])('%s', async (_, bytes, code) => {
    await expect(openLlama2c(bytesSource(bytes))).rejects.toMatchObject({ name: 'CheckpointError', code })
  })

  it.each([0, 1, 2] as const)('a file of version %i cut off anywhere', async (version) => {
    const whole = file(version)
    for (let length = 0; length < whole.length; length += 13) {
      await expect(open(whole.slice(0, length))).rejects.toMatchObject({ name: 'CheckpointError' })
    }
  })

  it('a part of it', async () => {
    const opening = openSource(bytesSource(file(1)), { part: 'model' })
    await expect(opening).rejects.toMatchObject({ code: 'part-unsupported' })
  })
})
