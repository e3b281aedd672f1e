import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint, savePretrained, saveToBytes } from '@filature/checkpoint'
import { ggufDialect, Llama, type LlamaConfig, metaDialect } from '@filature/llama'
import { init, Rng } from '@filature/tensor'
import { trainingFolder } from '@filature/train/node'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { gguf } from '../../../../packages/checkpoint/src/__fixtures__/writing-gguf.ts'
import { llama2c } from '../../../../packages/checkpoint/src/__fixtures__/writing-llama2c.ts'
import * as torch from '../../../../packages/checkpoint/src/__fixtures__/writing-pickles.ts'
import { scratch } from '../__tests__/scratch.ts'

const config: LlamaConfig = {
  vocab_size: 270,
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 48,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
  initializer_range: 0.3,
}
/** Three special tokens, all bytes, and words: the vocabulary of every format below. */
const words = [' ', 'a', 'b', 'c', 'd', 'e', ' a', ' b', 'ab', ' ab', 'cd']
const tokens = [
  '<unk>',
  '\n<s>\n',
  '\n</s>\n',
  ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`),
  ...words,
]

const test = scratch()
let model: Llama
beforeEach(() => {
  model = init(new Llama(config), new Rng(5))
})
const generate = (...args: string[]) => test.run('generate', ...args)

/** llama2.c's tokenizer.bin */
function tokenizerBin(): Buffer {
  const parts = tokens.map((token, id) => {
    const text = Buffer.from(token)
    const head = Buffer.alloc(8)
    head.writeFloatLE(id < 259 ? 0 : -(id - 259), 0)
    head.writeInt32LE(text.length, 4)
    return Buffer.concat([head, text])
  })
  return Buffer.concat([Buffer.from([27, 0, 0, 0]), ...parts])
}

async function huggingFace(name = 'hf', generation: object = {}): Promise<string> {
  const path = join(test.folder, name)
  await savePretrained(model, path, {
    config: { model_type: 'llama', ...config },
    files: { 'tokenizer.bin': tokenizerBin(), 'generation_config.json': JSON.stringify(generation) },
  })
  return path
}

async function tensorsOf(checkpoint: Checkpoint) {
  const read = checkpoint.names().map(async (name) => {
    const values = (await checkpoint.read(name)) as Float32Array
    return {
      name,
      shape: checkpoint.info(name).shape,
      bytes: new Uint8Array(values.slice().buffer),
      size: values.length,
    }
  })
  return await Promise.all(read)
}

async function ggufFile(): Promise<string> {
  const written = await tensorsOf(await openCheckpoint(await saveToBytes(model, { dialect: ggufDialect(config) })))
  const path = join(test.folder, 'model.gguf')
  const text = (key: string, value: string) => (w: Writer) => w.text(key).u32(8).text(value)
  const number = (key: string, value: number) => (w: Writer) => w.text(key).u32(4).u32(value)
  const list = <T>(key: string, type: number, values: readonly T[], write: (w: Writer, value: T) => Writer) => {
    return (w: Writer) => values.reduce(write, w.text(key).u32(9).u32(type).u64(values.length))
  }
  const kind = (id: number) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)
  const bytes = gguf({
    keys: [
      text('general.architecture', 'llama'),
      number('llama.embedding_length', 16),
      number('llama.feed_forward_length', 32),
      number('llama.block_count', 2),
      number('llama.attention.head_count', 2),
      number('llama.attention.head_count_kv', 1),
      number('llama.context_length', 48),
      text('tokenizer.ggml.model', 'llama'),
      list('tokenizer.ggml.tokens', 8, tokens, (w, token) => w.text(token.trim() === token ? token : markOf(token))),
      list('tokenizer.ggml.scores', 6, tokens, (w, token) => w.f32(Math.min(0, 259 - tokens.indexOf(token)))),
      list('tokenizer.ggml.token_type', 5, tokens, (w, token) => w.u32(kind(tokens.indexOf(token)))),
    ],
    tensors: written.map(({ name, shape, bytes }) => ({ name, dims: [...shape].reverse(), type: 0, data: bytes })),
  })
  await writeFile(path, bytes)
  return path
}
type Writer = Parameters<NonNullable<Parameters<typeof gguf>[0]['keys']>[number]>[0]
const markOf = (token: string) => (token.includes('\n') ? token.trim() : token.replaceAll(' ', '▁'))

/** As torch.save writes { model, model_args }, or a plain state dict. */
async function torchFile(path: string, args?: Record<string, number>): Promise<void> {
  const written = await tensorsOf(await openCheckpoint(await saveToBytes(model, { dialect: metaDialect(config) })))
  const strides = (shape: readonly number[]) => shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1))
  const state = torch.dict(
    written.map(({ name, shape, size }, i) => [
      torch.text(name),
      torch.tensor(torch.storage(`${i}`, size), 0, shape, strides(shape)),
    ]),
  )
  const given = Object.entries(args ?? {}).map(([key, value]) => [torch.text(key), torch.int(value)] as const)
  const root = args
    ? torch.dict([
        [torch.text('model'), state],
        [torch.text('model_args'), torch.dict(given)],
      ])
    : state
  const entries = [
    { name: 'archive/data.pkl', bytes: torch.pickle(root) },
    ...written.map(({ bytes }, i) => ({ name: `archive/data/${i}`, bytes })),
  ]
  await writeFile(path, torch.zip(entries))
}

/** As llama2.c exports it, for run.c. */
async function llama2cFile(): Promise<string> {
  const theirs = await openCheckpoint(await saveToBytes(model, { dialect: metaDialect(config) }))
  const weights = new Map<string, Float32Array>()
  for (const name of theirs.names()) weights.set(name, (await theirs.read(name)) as Float32Array)
  const sizes = { dim: 16, hidden_dim: 32, n_layers: 2, n_heads: 2, n_kv_heads: 1, vocab_size: 270, max_seq_len: 48 }
  const shared = !weights.has('output.weight')
  const path = join(test.folder, 'stories.bin')
  await writeFile(path, llama2c({ ...sizes, version: 1, shared, weights: (name) => weights.get(name)! }))
  return path
}

async function metaFolder(): Promise<string> {
  const path = join(test.folder, 'meta')
  await mkdir(path)
  await torchFile(join(path, 'consolidated.00.pth'))
  const params = { dim: 16, n_layers: 2, n_heads: 2, n_kv_heads: 1, vocab_size: -1, norm_eps: 1e-5 }
  await writeFile(
    join(path, 'params.json'),
    JSON.stringify({ ...params, multiple_of: 8, ffn_dim_multiplier: 0.75, max_seq_len: 48 }),
  )
  await writeFile(join(path, 'tokenizer.model'), '') // found, but --tokenizer goes first
  return path
}

describe('filature-infer generate', () => {
  it('writes the same from every format', async () => {
    const prompt = ['--prompt', 'ab cd', '--temperature', '0', '--max-new-tokens', '12']
    const expected = await generate(await huggingFace(), ...prompt)
    expect(expected.startsWith('ab cd')).toBe(true)
    expect(expected.length).toBeGreaterThan(8)
    expect(test.err).toMatch(/12 tokens in .* tokens\/s/)
    expect(await generate(await ggufFile(), ...prompt)).toBe(expected)
    await writeFile(join(test.folder, 'tokenizer.bin'), tokenizerBin())
    const [meta, ckpt] = [await metaFolder(), join(test.folder, 'ckpt.pt')]
    expect(await generate(meta, '--tokenizer', join(test.folder, 'tokenizer.bin'), ...prompt)).toBe(expected)
    await torchFile(ckpt, {
      dim: 16,
      n_layers: 2,
      n_heads: 2,
      n_kv_heads: 1,
      vocab_size: 270,
      hidden_dim: 32,
      max_seq_len: 48,
    })
    expect(await generate(ckpt, ...prompt)).toBe(expected)
    expect(await generate(await llama2cFile(), ...prompt)).toBe(expected)
    // and the best checkpoint of a run
    const run = join(test.folder, 'run')
    const files = { 'config.json': JSON.stringify({ model_type: 'llama', ...config }), 'tokenizer.json': '' }
    const progress = { step: 3, rng: new Rng(0).state, data: {}, optimizer: { name: 'none', steps: {} } }
    const state = { progress: { ...progress, smoothedLoss: null, best: null }, tensors: new Map() }
    await trainingFolder(run, { files }).save(model, state)
    expect(await generate(run, '--tokenizer', join(test.folder, 'tokenizer.bin'), ...prompt)).toBe(expected)
  })

  it('draws by seed, holds weights in half, searches with beams, stops where it is told', async () => {
    const path = await huggingFace()
    const drawn = (seed: string, ...more: string[]) =>
      generate(path, '--prompt', 'a', '--temperature', '1', '--seed', seed, ...more)
    expect(await drawn('1')).toBe(await drawn('1'))
    expect(await drawn('1')).not.toBe(await drawn('2'))
    vi.mocked(Math.random)
      .mockReturnValueOnce(1 / 2 ** 32)
      .mockReturnValueOnce(2 / 2 ** 32)
    const unseeded = () => generate(path, '--prompt', 'a', '--temperature', '1')
    expect([await unseeded(), await unseeded()]).toEqual([await drawn('1'), await drawn('2')])
    expect(await drawn('1', '--top-k', '1')).toBe(await generate(path, '--prompt', 'a', '--temperature', '0'))
    await generate(path, '--prompt', 'a', '--temperature', '0', '--dtype', 'bf16', '--max-new-tokens', '3')
    expect(test.err).toMatch(/\n3 tokens in/)
    expect(await generate(path, '--prompt', 'a', '--beams', '3', '--max-new-tokens', '3')).toMatch(/^a.*\S\n$/s)
    expect(test.err).toMatch(/\n3 tokens in/)
    const whole = await generate(path, '--prompt', 'a', '--temperature', '0')
    const middle = whole.trimEnd().slice(8, 10)
    const cut = await generate(path, '--prompt', 'a', '--temperature', '0', '--stop', middle)
    expect(cut.trimEnd()).toBe(whole.slice(0, whole.indexOf(middle, 1)).trimEnd())
  })

  it('refuses what would have no effect: shaping draws where nothing is drawn', async () => {
    const path = await huggingFace()
    const refused = (...args: string[]) => expect(generate(path, '--prompt', 'a', ...args)).rejects
    await refused('--beams', '3', '--temperature', '0.7').toThrow(/--temperature: beams of 3 draw nothing/)
    await refused('--beams', '3', '--top-p', '0.9').toThrow(/--top-p: beams of 3 draw nothing/)
    await refused('--beams', '3', '--stop', 'x').toThrow(/--stop: beams of 3 end by themselves/)
    await refused('--beams', '3', '--seed', '1').toThrow(/--seed: beams of 3 draw nothing/)
    await refused('--temperature', '0', '--seed', '1').toThrow(/--seed: at temperature 0 nothing is drawn/)
    await refused('--temperature', '0', '--min-p', '0.1').toThrow(/--min-p: at temperature 0 nothing is drawn/)
    // the model's own configuration may ask for beams, or for no draws
    const beams = await huggingFace('beams', { num_beams: 3 })
    await expect(generate(beams, '--prompt', 'a', '--top-k', '4')).rejects.toThrow(/--top-k: beams of 3/)
    expect(await generate(beams, '--prompt', 'a', '--max-new-tokens', '3')).toBe(
      await generate(path, '--prompt', 'a', '--max-new-tokens', '3', '--beams', '3'),
    )
    expect(await generate(beams, '--prompt', 'a', '--beams', '1', '--temperature', '0', '--max-new-tokens', '3')).toBe(
      await generate(path, '--prompt', 'a', '--temperature', '0', '--max-new-tokens', '3'),
    )
    const greedy = await huggingFace('greedy', { do_sample: false })
    await expect(generate(greedy, '--prompt', 'a', '--top-k', '4')).rejects.toThrow(/--top-k: at temperature 0/)
  })

  it("heeds the model's own configuration, under the command line's", async () => {
    const greedy = await huggingFace('greedy', { do_sample: false, max_length: 5 })
    const first = await generate(greedy, '--prompt', 'a', '--max-new-tokens', '9')
    expect(await generate(greedy, '--prompt', 'a', '--max-new-tokens', '9')).toBe(first)
    expect(test.err).toMatch(/9 tokens in/)
    await generate(greedy, '--max-new-tokens', '500')
    expect(test.err).toMatch(/\n47 tokens in/) // the context ends, of 48
    await expect(generate(await huggingFace('odd', { num_beam_groups: 4 }))).rejects.toThrow(
      /num_beam_groups: 4 is not/,
    )
  })

  it('ends at Ctrl-C', async () => {
    test.interruptAt = 4
    await generate(await huggingFace(), '--prompt', 'a', '--temperature', '0', '--max-new-tokens', '40')
    expect(Number(/(\d+) tokens in/.exec(test.err)![1])).toBeLessThan(6)
    expect(process.exitCode).toBe(130)
  })

  it('refuses what it cannot do, and says what to do', async () => {
    const path = await huggingFace()
    await expect(generate(join(test.folder, 'none'))).rejects.toThrow(/there is no such folder/)
    vi.stubGlobal('fetch', async () => {
      throw new TypeError('fetch failed') // no network
    })
    const offline = generate('someone/nothing')
    await expect(offline).rejects.toThrow(
      /^someone\/nothing: there is no such folder here, and the hub did not give it/,
    )
    vi.unstubAllGlobals()
    await writeFile(join(test.folder, 'notes.txt'), 'hello')
    await expect(generate(join(test.folder, 'notes.txt'))).rejects.toThrow(/--format hf\|gguf\|meta\|llama2c/)
    await expect(generate(path, '--prompt', 'b'.repeat(80))).rejects.toThrow(/context ends at 48; shorten/)
    await expect(generate(path, '--tokenizer', join(test.folder, 'none'))).rejects.toThrow(/no such file or folder/)
    await expect(generate(path, '--tokenizer', join(test.folder, 'notes.txt'))).rejects.toThrow(
      /\.json, \.model, \.bin/,
    )
    await savePretrained(model, path, { config: { model_type: 'bert' } })
    await expect(generate(path)).rejects.toThrow(/of type llama, gpt2, nanogpt; its config\.json says bert/)
    const meta = await metaFolder()
    await torchFile(join(meta, 'consolidated.01.pth'))
    await expect(generate(meta)).rejects.toThrow(/a slice of 1 parts, but there are 2 files/)
    await torchFile(join(test.folder, 'plain.pt'))
    await expect(generate(join(test.folder, 'plain.pt'))).rejects.toThrow(/no model_args/)
  })
})
