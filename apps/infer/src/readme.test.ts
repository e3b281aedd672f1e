import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { savePretrained } from '@filature/checkpoint'
import { Llama, type LlamaConfig } from '@filature/llama'
import { init, Rng } from '@filature/tensor'
import { activateBackend } from '@filature/testing'
import { trainBpe } from '@filature/tokenizers'
import { expect, it, vi } from 'vitest'
import { scratch } from './__tests__/scratch.ts'

const test = scratch()

it("the repository's example runs, on a small folder instead of the hub's", async () => {
  await activateBackend('cpu')
  const tokenizer = trainBpe('The silkworm spins. The silkworm spins silk.', { vocabSize: 265 })
  const V = Object.keys(tokenizer.model.vocab).length
  const config: LlamaConfig = {
    vocab_size: V,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  }
  const folder = join(test.folder, 'llama')
  await savePretrained(init(new Llama(config), new Rng(1)), folder, {
    config: { model_type: 'llama', ...config },
    files: { 'tokenizer.json': JSON.stringify(tokenizer) },
  })

  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const example = /```ts\n([\s\S]*?)```/
    .exec(readme)![1]!
    .replace(/import .*backend-(native|wasm)'\n/g, '')
    .replace(/await useBackend\(.*\n/, '')
    .replace('TinyLlama/TinyLlama-1.1B-Chat-v1.0', folder)
  expect(example).not.toMatch(/native\(|TinyLlama/)

  const file = new URL('./readme.generated.ts', import.meta.url)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  const write = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
  try {
    writeFileSync(file, example)
    await import(file.href)
    expect(write.mock.calls.map(([text]) => text).join('')).not.toBe('')
    const [first, second, logits] = log.mock.calls as [[string, number[]], [string, number[]], [number[]]]
    expect([first[0], second[0]]).toEqual([0, 1].map((layer) => `model.layers.${layer}.self_attn.pattern`))
    const [, H, T, S] = first[1]
    expect([H, T]).toEqual([2, S])
    expect(logits[0]).toEqual([1, T, V])
  } finally {
    rmSync(file, { force: true })
    log.mockRestore()
    write.mockRestore()
  }
})
