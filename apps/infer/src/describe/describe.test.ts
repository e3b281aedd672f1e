import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { savePretrained } from '@filature/checkpoint'
import { Llama } from '@filature/llama'
import { MiniGPT4 } from '@filature/minigpt4'
import { QFormer } from '@filature/qformer'
import { init, Linear, Rng } from '@filature/tensor'
import { trainBpe } from '@filature/tokenizers'
import { EvaViT } from '@filature/vision'
import sharp from 'sharp'
import { beforeEach, expect, it } from 'vitest'
import { scratch } from '../__tests__/scratch.ts'

const config = {
  model_type: 'minigpt4',
  vision: { img_size: 16, patch_size: 8, embed_dim: 16, depth: 1, num_heads: 2 },
  qformer: {
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 16,
    encoder_width: 16,
    query_length: 2,
    text_branch: false,
  },
  llama: {
    vocab_size: 261,
    hidden_size: 16,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    initializer_range: 0.5,
  },
  prompt: '<Img><ImageHere></Img>',
  end_symbol: '</s>',
}
const special = { pad_token: '<pad>', bos_token: '<s>', eos_token: '</s>' }

/** As a run's checkpoints have it: with a head that only training needs. */
class Learner extends MiniGPT4 {
  readonly words_of_mark = new Linear(16, 3)
}

const test = scratch()
const describe = (...args: string[]) => test.run('describe', '--model', join(test.folder, 'run'), ...args)
beforeEach(async () => {
  const parts = {
    vision: new EvaViT(config.vision),
    qformer: new QFormer(config.qformer),
    llama: new Llama(config.llama),
  }
  const codec = { encode: () => [], decode: () => '', bosId: 1, bosToken: '<s>', eosId: 2, padId: 0 }
  const model = init(new Learner({ ...parts, codec }), new Rng(4))
  const tokenizer = trainBpe('', { vocabSize: 261, specialTokens: ['<pad>', '<s>', '</s>', '<Img>', '</Img>'] })
  await savePretrained(model, join(test.folder, 'run/model'), {
    config,
    files: { 'tokenizer.json': JSON.stringify(tokenizer), 'tokenizer_config.json': JSON.stringify(special) },
  })
})
async function picture(name: string, format: 'png' | 'jpeg' | 'webp', background = '#cc3300'): Promise<string> {
  const path = join(test.folder, name)
  await sharp({ create: { width: 40, height: 24, channels: 3, background } })
    .toFormat(format)
    .toFile(path)
  return path
}

it('says something of PNG, JPEG and WebP, by the picture and the seed', async () => {
  const red = await describe(await picture('red.png', 'png'), '--max-new-tokens', '8')
  expect(red.trimEnd().length).toBeGreaterThan(2)
  expect(await describe(await picture('red.webp', 'webp'), '--max-new-tokens', '8')).toBe(red)
  expect(await describe(await picture('red.jpg', 'jpeg'), '--max-new-tokens', '8')).toBe(red)
  expect(await describe(join(test.folder, 'red.png'), '--max-new-tokens', '8')).toBe(red)
  expect(await describe(await picture('blue.png', 'png', '#0022ff'), '--max-new-tokens', '8')).not.toBe(red)
  const drawn = (seed: string) => describe(join(test.folder, 'red.png'), '--temperature', '2', '--seed', seed)
  expect(await drawn('1')).toBe(await drawn('1'))
  expect(await drawn('1')).not.toBe(await drawn('2'))
  expect(await describe(join(test.folder, 'red.png'), '--beams', '2', '--max-new-tokens', '4')).toMatch(/\S/)
})

it('refuses what it cannot read, and says what to do', async () => {
  const image = await picture('red.png', 'png')
  await writeFile(join(test.folder, 'notes.png'), 'hello')
  await expect(describe(join(test.folder, 'notes.png'))).rejects.toThrow(/notes\.png: .*no image known/)
  await expect(describe(join(test.folder, 'none.png'))).rejects.toThrow(/none\.png: there is no such file/)
  await expect(describe(image, '--beams', '2', '--temperature', '1')).rejects.toThrow(/--temperature: beams of 2/)
  await expect(describe(image, '--prompt', 'What?')).rejects.toThrow(/write one for each image/)
  await expect(describe(image, '--model', join(test.folder, 'none'))).rejects.toThrow(/no such folder/)
  await writeFile(join(test.folder, 'run/model/config.json'), '{ "model_type": "llama" }')
  await expect(describe(image)).rejects.toThrow(/of type minigpt4, its config\.json says llama/)
})
