import { expect, it } from 'vitest'
import { openCheckpoint } from './open-checkpoint.ts'

it.each([
  ['a configuration', '{"model_type": "llama", "hidden_size": 16}'],
  ['a web page', '<!doctype html><title>404</title>'],
  ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1'],
])('%s is no checkpoint, and is told so', async (_, text) => {
  await expect(openCheckpoint(new TextEncoder().encode(text))).rejects.toMatchObject({
    code: 'format-unknown',
    message: expect.stringMatching(
      /it begins with ".*", as no checkpoint does; wanted safetensors, PyTorch, GGUF or llama2.c/,
    ),
  })
})
