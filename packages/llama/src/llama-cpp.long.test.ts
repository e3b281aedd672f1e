import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rotaryFrequencies } from '@filature/attention'
import { type HeldDtype, load, openCheckpoint, saveToBytes } from '@filature/checkpoint'
import { cpu, init, Rng, type Tensor2D, tensor, useBackend } from '@filature/tensor'
import { activateBackend, fetchedOr, llamaCppModules } from '@filature/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GgufWriter, gguf } from '../../checkpoint/src/__fixtures__/writing-gguf.ts'
import { type LlamaCpp, openLlamaCpp } from './__fixtures__/llama-cpp.ts'
import { fromGguf, ggufDialect, Llama, type LlamaConfig } from './index.ts'

// Budget: 4 minutes, and 115 MB fetched once. llama.cpp quantises a model of ours to each of its formats, runs the file,
// and so do we. It rounds activations to 8 bits before each product, which we do not: so their logits differ a little.

const modules = fetchedOr(llamaCppModules)
const config: LlamaConfig = {
  vocab_size: 320,
  hidden_size: 256,
  intermediate_size: 512,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  initializer_range: 0.06,
}
const ropeBase = 500_000
/** Long enough for positions to tell. */
const ids = Array.from({ length: 128 }, (_, i) => (i === 0 ? 1 : 3 + ((37 * i * i + 11 * i) % 317)))

/** Formats by llama.cpp's number, and the block formats that the file then has. */
const formats: readonly (readonly [string, number, readonly string[]])[] = [
  ['Q4_0', 2, ['Q4_0']],
  ['Q4_1', 3, ['Q4_1']],
  ['Q5_0', 8, ['Q5_0']],
  ['Q5_1', 9, ['Q5_1']],
  ['Q8_0', 7, ['Q8_0']],
  ['Q2_K', 10, ['Q2_K', 'Q3_K']],
  ['Q3_K_M', 12, ['Q3_K']],
  ['Q4_K_M', 15, ['Q4_K', 'Q6_K']],
  ['Q5_K_M', 17, ['Q5_K', 'Q6_K']],
  ['Q6_K', 18, ['Q6_K']],
  ['IQ4_NL', 25, ['IQ4_NL']],
  ['IQ4_XS', 30, ['IQ4_XS']],
]

let folder: string
let whole: string
let llamaCpp: LlamaCpp
/** Our logits of the file before it was quantised. */
let exact: Float32Array[]

beforeAll(async () => {
  if (typeof modules === 'string') return
  await useBackend(cpu())
  folder = await mkdtemp(join(tmpdir(), 'filature-'))
  whole = join(folder, 'f32.gguf')
  await writeFile(whole, await ggufOf(init(new Llama(config), new Rng(4))))
  llamaCpp = await openLlamaCpp(modules.path)
  exact = (await ours(whole)).rows
}, 300_000)
afterAll(async () => {
  await llamaCpp?.[Symbol.asyncDispose]()
  if (folder) await rm(folder, { recursive: true })
})

type Key = (w: GgufWriter) => GgufWriter
const text = (key: string, value: string) => (w: GgufWriter) => w.text(key).u32(8).text(value)
const number = (key: string, value: number) => (w: GgufWriter) => w.text(key).u32(4).u32(value)
const real = (key: string, value: number) => (w: GgufWriter) => w.text(key).u32(6).f32(value)

async function ggufOf(
  model: Llama,
  { ropeFactors, more = [] }: { ropeFactors?: Float32Array; more?: Key[] } = {},
): Promise<Uint8Array> {
  const theirs = await openCheckpoint(await saveToBytes(model, { dialect: ggufDialect(config) }))
  const tensors = []
  if (ropeFactors) {
    const data = new Uint8Array(ropeFactors.buffer)
    tensors.push({ name: 'rope_freqs.weight', dims: [ropeFactors.length], type: 0, data })
  }
  for (const name of theirs.names()) {
    const values = (await theirs.read(name)) as Float32Array
    const dims = [...theirs.info(name).shape].reverse()
    tensors.push({ name, dims, type: 0, data: new Uint8Array(values.slice().buffer) })
  }
  const list = <T>(key: string, type: number, values: readonly T[], put: (w: GgufWriter, value: T) => GgufWriter) => {
    return (w: GgufWriter) => values.reduce(put, w.text(key).u32(9).u32(type).u64(values.length))
  }
  const byte = (id: number) => `<0x${(id - 3).toString(16).toUpperCase().padStart(2, '0')}>`
  const tokens = Array.from({ length: config.vocab_size }, (_, id) => {
    return id < 3 ? ['<unk>', '<s>', '</s>'][id]! : id < 259 ? byte(id) : `▁word${id}`
  })
  const kinds = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1))
  const keys = [
    text('general.architecture', 'llama'),
    number('llama.vocab_size', config.vocab_size),
    number('llama.context_length', 256),
    number('llama.embedding_length', config.hidden_size),
    number('llama.feed_forward_length', config.intermediate_size),
    number('llama.block_count', config.num_hidden_layers),
    number('llama.attention.head_count', config.num_attention_heads),
    number('llama.attention.head_count_kv', config.num_key_value_heads!),
    real('llama.attention.layer_norm_rms_epsilon', config.rms_norm_eps!),
    number('llama.rope.dimension_count', 64),
    real('llama.rope.freq_base', ropeBase),
    text('tokenizer.ggml.model', 'llama'),
    list('tokenizer.ggml.tokens', 8, tokens, (w, token) => w.text(token)),
    list('tokenizer.ggml.scores', 6, tokens, (w) => w.f32(0)),
    list('tokenizer.ggml.token_type', 5, kinds, (w, kind) => w.u32(kind)),
    number('tokenizer.ggml.bos_token_id', 1),
    number('tokenizer.ggml.eos_token_id', 2),
    ...more,
  ]
  return gguf({ keys, tensors })
}

async function ours(
  path: string,
  dtype: HeldDtype = 'float32',
): Promise<{ rows: Float32Array[]; dtypes: Set<string> }> {
  await using checkpoint = await openCheckpoint(path)
  const factors = checkpoint.has('rope_freqs.weight') ? await checkpoint.read('rope_freqs.weight') : undefined
  const found = fromGguf(Object.fromEntries(checkpoint.metadata), factors as Float32Array | undefined)
  using model = new Llama(found)
  await load(model, checkpoint, { dialect: ggufDialect(found), dtype })
  const logits = await model.logits({ ids: tensor([ids], [1, ids.length], 'int32') as Tensor2D }).data()
  const V = found.vocab_size
  const rows = ids.map((_, t) => (logits as Float32Array).slice(t * V, (t + 1) * V))
  return { rows, dtypes: new Set(checkpoint.names().map((name) => checkpoint.info(name).dtype)) }
}

/** Root mean square of the difference over that of what was wanted. */
function distance(got: readonly Float32Array[], wanted: readonly Float32Array[]): number {
  let error = 0
  let size = 0
  wanted.forEach((row, t) => {
    row.forEach((v, i) => {
      error += (got[t]![i]! - v) ** 2
      size += v * v
    })
  })
  return Math.sqrt(error / size)
}

describe.skipIf(typeof modules === 'string')(
  `the same GGUF file in llama.cpp and here ${typeof modules === 'string' ? `(${modules})` : ''}`,
  () => {
    it('F32', async () => {
      expect(distance(exact, await llamaCpp.logits(whole, ids))).toBeLessThan(2e-3)
    }, 300_000)

    it('the rotary frequencies of LLaMA 3.1, which a tensor stretches', async () => {
      const path = join(folder, 'stretched.gguf')
      const scaling = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, maxPositions: 8192 } as const
      const plain = rotaryFrequencies({ width: 64, base: ropeBase })
      const stretched = rotaryFrequencies({ width: 64, base: ropeBase, scaling })
      const model = init(new Llama(config), new Rng(4))
      await writeFile(path, await ggufOf(model, { ropeFactors: plain.map((f, i) => f / stretched[i]!) }))
      const { rows } = await ours(path)
      const between = distance(rows, await llamaCpp.logits(path, ids))
      const passedOver = distance(exact, rows)
      console.log(`rotary factors: ${between.toExponential(1)}, ${passedOver.toExponential(1)} if passed over`)
      expect(between).toBeLessThan(2e-3)
      expect(passedOver).toBeGreaterThan(5 * between)
    }, 300_000)

    it.each([
      ['YaRN', [number('llama.rope.scaling.original_context_length', 32)]],
      [
        'YaRN with a temperature of its own',
        [number('llama.rope.scaling.original_context_length', 64), real('llama.rope.scaling.attn_factor', 0.7)],
      ],
    ])(
      '%s',
      async (name, keys) => {
        const path = join(folder, 'yarn.gguf')
        const more = [text('llama.rope.scaling.type', 'yarn'), real('llama.rope.scaling.factor', 4), ...keys]
        await writeFile(path, await ggufOf(init(new Llama(config), new Rng(4)), { more }))
        const { rows } = await ours(path)
        const between = distance(rows, await llamaCpp.logits(path, ids))
        const passedOver = distance(exact, rows)
        console.log(`${name}: ${between.toExponential(1)}, ${passedOver.toExponential(1)} if passed over`)
        expect(between).toBeLessThan(2e-3)
        expect(passedOver).toBeGreaterThan(5 * between)
      },
      300_000,
    )

    it.each(formats)(
      '%s',
      async (name, number, dtypes) => {
        const path = join(folder, `${name}.gguf`)
        llamaCpp.quantize(whole, path, number)
        const here = await ours(path)
        for (const dtype of dtypes) expect(here.dtypes).toContain(dtype)
        const there = await llamaCpp.logits(path, ids)
        const between = distance(here.rows, there)
        const lost = distance(here.rows, exact)
        console.log(
          `${name}: ${(100 * between).toFixed(2)} % from llama.cpp's logits, ${(100 * lost).toFixed(1)} % from F32`,
        )
        // rounding activations to 8 bits costs what rounding weights to 8 bits does
        expect(between).toBeLessThan(Math.min(0.04, Math.max(0.02, lost / 2)))
        await activateBackend('native') // or cpu, where it is not at hand: the blocks are then decoded at each use
        const held = await ours(path, 'stored')
        await activateBackend('cpu')
        expect(distance(held.rows, here.rows)).toBeLessThan(1e-5)
      },
      300_000,
    )
  },
)
