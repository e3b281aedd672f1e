import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { save, savePretrained } from '@filature/checkpoint'
import { generate } from '@filature/generation'
import { type CausalLM, init, type Module, Rng } from '@filature/tensor'
import { CharTokenizer, HuggingFaceTokenizer, type Tokenizer, trainBpe } from '@filature/tokenizers'
import { trainingFolder } from '@filature/train/node'
import { type GPT2Config, GPT2LMHeadModel, gpt2Dialects, NanoGPT, type NanoGPTConfig } from '@filature/transformer'
import { expect, it } from 'vitest'
import { scratch } from '../__tests__/scratch.ts'

const END = '<|endoftext|>'
const roles = { tokenizer_class: 'PreTrainedTokenizerFast', bos_token: END, eos_token: END, pad_token: END }
const bpe = trainBpe(['ab cd abcd dc '.repeat(30)], { vocabSize: 270, specialTokens: [END] })
const characters = CharTokenizer.fromText('abcd \n')
const size = { n_embd: 16, n_layer: 2, n_head: 2 }
const gpt2: GPT2Config = { ...size, vocab_size: 270, n_positions: 24, initializer_range: 0.4 }
const nanogpt: NanoGPTConfig = { ...size, vocab_size: 6, block_size: 24, bias: false }

const test = scratch()
const write = (...args: string[]) => test.run('generate', ...args)

const greedy = ['--temperature', '0', '--max-new-tokens', '9']
const bpeFiles = { 'tokenizer.json': JSON.stringify(bpe), 'tokenizer_config.json': JSON.stringify(roles) }

/** The prompt and the likeliest nine tokens behind it, by the model in memory. */
async function expected(model: Module & CausalLM, tokenizer: Tokenizer, prompt: string): Promise<string> {
  const ids = tokenizer.encode(prompt).ids
  const eosIds = tokenizer.special.eos === undefined ? [] : [tokenizer.special.eos]
  const text = () => {
    const stream = tokenizer.decodeStream({ skipSpecialTokens: true })
    for (const id of ids) stream.push(id)
    return stream
  }
  const { rows } = await generate(model, [...ids], { maxNewTokens: 9, eosIds, text })
  return `${prompt}${rows[0]!.text}\n`
}

it("writes with a GPT-2: a saved folder's, a run's best, and the hub's bare names", async () => {
  const model = init(new GPT2LMHeadModel(gpt2), new Rng(7))
  const wanted = await expected(model, new HuggingFaceTokenizer(bpe, roles), 'ab cd')
  expect(wanted.length).toBeGreaterThan(10)

  const config = { model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], torch_dtype: 'float32', ...gpt2 }
  const saved = join(test.folder, 'model')
  await savePretrained(model, saved, { config, files: bpeFiles })
  expect(await write(saved, '--prompt', 'ab cd', ...greedy)).toBe(wanted)
  expect(test.err).toMatch(/model \(0 MiB of weights/)
  expect(test.err).toMatch(/9 tokens in .* tokens\/s/)
  expect(await write(test.folder, '--prompt', 'ab cd', ...greedy)).toBe(wanted) // a finished run: its `model`
  expect(await write(saved, '--prompt', 'ab cd', '--dtype', 'bf16', ...greedy)).toMatch(/^ab cd/)

  const run = join(test.folder, 'run')
  const progress = { step: 2, rng: new Rng(0).state, data: {}, optimizer: { name: 'none', steps: {} } }
  const state = { progress: { ...progress, smoothedLoss: null, best: null }, tensors: new Map() }
  await trainingFolder(run, { files: { 'config.json': JSON.stringify(config), ...bpeFiles } }).save(model, state)
  expect(await write(run, '--prompt', 'ab cd', ...greedy)).toBe(wanted)

  const hub = join(test.folder, 'hub')
  await savePretrained(model, hub, { config, files: bpeFiles })
  await rm(join(hub, 'model.safetensors'))
  await save(model, hub, { dialect: gpt2Dialects.hub })
  expect(await write(hub, '--prompt', 'ab cd', ...greedy)).toBe(wanted)
})

it('writes with a nanoGPT by characters, from a new line where nothing is said', async () => {
  const model = init(new NanoGPT(nanogpt), new Rng(7))
  const saved = join(test.folder, 'model')
  const files = { 'tokenizer.json': JSON.stringify(characters.toJSON()) }
  await savePretrained(model, saved, { config: { model_type: 'nanogpt', ...nanogpt }, files })
  expect(await write(saved, '--prompt', 'abc', ...greedy)).toBe(await expected(model, characters, 'abc'))
  expect(await write(saved, ...greedy)).toBe((await expected(model, characters, '\n')).slice(1))
  await expect(write(saved, '--prompt', 'xyz')).rejects.toThrow(/"x"/)
  await expect(write(saved, '--prompt', 'a'.repeat(24))).rejects.toThrow(/context ends at 24; shorten/)
})

it('ends at Ctrl-C, with what was written so far', async () => {
  const model = init(new GPT2LMHeadModel(gpt2), new Rng(7))
  await savePretrained(model, test.folder, { config: { model_type: 'gpt2', ...gpt2 }, files: bpeFiles })
  const whole = await write(test.folder, '--prompt', 'a', '--temperature', '0', '--max-new-tokens', '20')
  const listeners = process.listenerCount('SIGINT')
  test.interruptAt = 4
  const part = await write(test.folder, '--prompt', 'a', '--temperature', '0', '--max-new-tokens', '20')
  expect(Number(/(\d+) tokens in/.exec(test.err)![1])).toBeLessThan(6)
  expect(whole.startsWith(part.trimEnd())).toBe(true)
  expect(process.exitCode).toBe(130)
  expect(process.listenerCount('SIGINT')).toBe(listeners)
})
