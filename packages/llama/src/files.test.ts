import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Checkpoint, load, openCheckpoint, openPretrained, saveToBytes, toFloat32 } from '@filature/checkpoint'
import { generate } from '@filature/generation'
import { cpu, type Dialect, type Tensor2D, tensor, useBackend } from '@filature/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { llama2c } from '../../checkpoint/src/__fixtures__/writing-llama2c.ts'
import { type Matrix, metaPart, pth } from '../../checkpoint/src/__fixtures__/writing-parts.ts'
import { fromLlama2c, fromMeta, Llama, type LlamaConfig, type MetaParams, metaDialect } from './index.ts'

// Whole files of other layouts, written here from the references' weights: the model must come out the same.

const golden = (name: string) =>
  openCheckpoint(fileURLToPath(new URL(`./__fixtures__/${name}.safetensors`, import.meta.url)))

let folder: string
beforeAll(async () => {
  await useBackend(cpu())
  folder = await mkdtemp(join(tmpdir(), 'filature-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The tensors of a checkpoint whose names begin with a prefix, without it. */
async function matrices(checkpoint: Checkpoint, prefix = ''): Promise<Map<string, Matrix>> {
  const out = new Map<string, Matrix>()
  for (const name of checkpoint.names()) {
    if (!name.startsWith(prefix)) continue
    const values = toFloat32(await checkpoint.read(name), name)
    out.set(name.slice(prefix.length), { shape: checkpoint.info(name).shape, values })
  }
  return out
}

async function loaded(config: LlamaConfig, checkpoint: Checkpoint, dialect?: Dialect): Promise<Llama> {
  const model = new Llama(config)
  await load(model, checkpoint, dialect ? { dialect } : {})
  return model
}

/** What groups of 16 lose when they are held as int8 under a scale. */
function roundTo8Bits({ values }: Matrix): void {
  for (let from = 0; from < values.length; from += 16) {
    const group = values.subarray(from, from + 16)
    const scale = Math.max(...group.map(Math.abs)) / 127
    group.forEach((w, i) => {
      group[i] = Math.round(w / scale) * scale
    })
  }
}

const logitsOf = (model: Llama, ids: ArrayLike<number>, shape: readonly number[]) =>
  model.logits({ ids: tensor(Int32Array.from(ids), [...shape], 'int32') as Tensor2D }).data()

const written = async (model: Llama, prompt: number[]) =>
  (await generate(model, prompt, { maxNewTokens: 10, eosIds: [] })).rows[0]!.ids

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0)

describe("llama2.c's .bin", () => {
  const sizes = { dim: 32, n_layers: 2, n_heads: 4, n_kv_heads: 2, vocab_size: 40, max_seq_len: 16 }

  it.each([
    [0, true],
    [1, true],
    [2, true],
    [0, false],
    [1, false],
    [2, false],
  ] as const)(
    'version %i, head shared: %s, gives the logits and the tokens of the reference',
    async (version, shared) => {
      await using reference = await golden('llama2c')
      const weights = await matrices(reference, 'weights.')
      // a head of its own: the embedding, turned upside down
      const { values } = weights.get('tok_embeddings.weight')!
      if (!shared) weights.set('output.weight', { shape: [40, 32], values: values.toReversed() })
      if (version === 2) for (const matrix of weights.values()) if (matrix.shape.length === 2) roundTo8Bits(matrix)
      const hidden_dim = weights.get('layers.0.feed_forward.w1.weight')!.shape[0]!
      const bytes = llama2c({
        ...sizes,
        hidden_dim,
        version,
        shared,
        groupSize: 16,
        weights: (name) => weights.get(name)!.values,
      })

      await using checkpoint = await openCheckpoint(bytes)
      const config = fromLlama2c(Object.fromEntries(checkpoint.metadata) as never)
      expect(config.tie_word_embeddings).toBe(shared)
      using model = await loaded(config, checkpoint, metaDialect(config))
      const ids = await reference.read('inputs.tokens')
      const { shape } = reference.info('inputs.tokens')
      const logits = await logitsOf(model, Array.from(ids, Number), shape)

      const whole = { ...fromLlama2c({ ...sizes, hidden_dim }), tie_word_embeddings: shared }
      await using direct = await openCheckpoint(pth(new Map([...weights].filter(([name]) => !/mask|freqs/.test(name)))))
      using same = await loaded(whole, direct, metaDialect(whole))
      const ours = await logitsOf(same, Array.from(ids, Number), shape)
      expect(largest(logits, ours)).toBeLessThan(version === 2 ? 1e-5 : 1e-30) // a scale may differ in its last bit
      expect(await written(model, [1, 5, 9])).toEqual(await written(same, [1, 5, 9]))
      const theirs = Array.from(await reference.read('outputs.logits'), Number)
      if (shared) expect(largest(logits, theirs)).toBeLessThan(version === 2 ? 0.1 : 1e-5)
    },
  )
})

describe("Meta's folders", () => {
  const params: MetaParams = {
    dim: 32,
    n_layers: 2,
    n_heads: 4,
    n_kv_heads: 2,
    vocab_size: -1,
    norm_eps: 1e-6,
    multiple_of: 8,
  }

  it.each([
    [1, 'columns'],
    [2, 'columns'],
    [4, 'columns'],
    [2, 'rows'],
    [4, 'rows'],
  ] as const)('in %i parts (the embedding cut by %s) give the model that was cut', async (count, embedding) => {
    await using reference = await golden('llama_gqa')
    const whole = await openCheckpoint(pth(await matrices(reference, 'weights.')))
    const given = { ...params, ffn_dim_multiplier: 0.8 }
    const config = fromMeta(given, { vocab_size: 60 })
    using model = await loaded(config, whole)
    await using theirs = await openCheckpoint(await saveToBytes(model, { dialect: metaDialect(config) }))
    const tensors = await matrices(theirs)
    tensors.set('rope.freqs', { shape: [4], values: Float32Array.of(1, 0.1, 0.01, 0.001) })
    const path = await mkdtemp(join(folder, 'parts-'))
    for (let n = 0; n < count; n++) {
      await writeFile(join(path, `consolidated.0${n}.pth`), pth(metaPart(tensors, n, count, embedding)))
    }
    await writeFile(join(path, 'params.json'), JSON.stringify(given))

    await using pretrained = await openPretrained(path)
    const [vocab_size] = pretrained.checkpoint.info('tok_embeddings.weight').shape
    const found = fromMeta(pretrained.config as MetaParams, { vocab_size: vocab_size! })
    expect(found).toEqual(config)
    using again = await loaded(found, pretrained.checkpoint, metaDialect(found))
    const ids = Array.from({ length: 12 }, (_, i) => (7 * i + 3) % 60)
    expect(await logitsOf(again, ids, [2, 6])).toEqual(await logitsOf(model, ids, [2, 6]))
    expect(await written(again, [1, 5, 9])).toEqual(await written(model, [1, 5, 9]))
  })

  it('describe the published models', () => {
    const widths = (params: MetaParams) => fromMeta(params).intermediate_size
    const common = { n_layers: 1, n_heads: 32, vocab_size: 32000 }
    expect(widths({ ...common, dim: 4096, multiple_of: 256 })).toBe(11008) // LLaMA 1 and 2, 7B
    expect(widths({ ...common, dim: 6656, multiple_of: 256 })).toBe(17920) // 30B
    expect(widths({ ...common, dim: 8192, multiple_of: 4096, ffn_dim_multiplier: 1.3 })).toBe(28672) // LLaMA 2 70B
    expect(widths({ ...common, dim: 4096, multiple_of: 1024, ffn_dim_multiplier: 1.3 })).toBe(14336) // LLaMA 3 8B
    const small = fromMeta({ ...common, dim: 2048, multiple_of: 256, ffn_dim_multiplier: 1.5, use_scaled_rope: true })
    expect(small).toMatchObject({ intermediate_size: 8192, max_position_embeddings: 131072 }) // LLaMA 3.2 1B
    expect(small.rope_scaling).toMatchObject({
      rope_type: 'llama3',
      factor: 32,
      original_max_position_embeddings: 8192,
    })
    expect(fromMeta({ ...common, dim: 4096, use_scaled_rope: true }).rope_scaling?.factor).toBe(8) // LLaMA 3.1 8B
  })

  it('that leave something open, or are of another model, are refused', () => {
    expect(() => fromMeta(params)).toThrow(/rows of tok_embeddings.weight/)
    expect(() => fromMeta({ ...params, moe_args: {} } as never)).toThrow(/moe_args/)
    const scaled = { ...params, vocab_size: 60, use_scaled_rope: true }
    expect(() => fromMeta(scaled)).toThrow(/rope_scaling_factor/)
    expect(fromMeta(scaled, { rope_scaling_factor: 4 }).rope_scaling?.factor).toBe(4)
  })
})
