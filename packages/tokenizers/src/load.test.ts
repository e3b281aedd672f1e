import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CharTokenizer } from './characters.ts'
import { loadTokenizer } from './load.ts'
import { loadTokenizerFolder } from './node.ts'
import { SentencePieceTokenizer } from './sentencepiece.ts'
import { trainBpe } from './train-bpe.ts'

const folder = (files: Record<string, string | Uint8Array>) => async (name: string) => {
  const file = files[name]
  return typeof file === 'string' ? new TextEncoder().encode(file) : file
}
const model = readFileSync(new URL('__fixtures__/sentencepiece/bpe-llama.model', import.meta.url))
const json = JSON.stringify(trainBpe('aa aa', { vocabSize: 258, specialTokens: ['<end>'] }))

describe('loadTokenizer', () => {
  it('takes tokenizer.json first, with its configuration', async () => {
    const config = JSON.stringify({ eos_token: '<end>', padding_side: 'left' })
    const map = JSON.stringify({ pad_token: { content: '<end>' }, eos_token: 'nothing' })
    const files = {
      'tokenizer.json': json,
      'tokenizer.model': model,
      'tokenizer_config.json': config,
      'special_tokens_map.json': map,
    }
    const tokenizer = await loadTokenizer(folder(files))
    expect(tokenizer.vocabSize).toBe(258)
    expect(tokenizer.special).toEqual({ eos: 0, pad: 0 })
    expect([...tokenizer.encodeBatch(['a', 'aa a']).attentionMask.slice(0, 3)]).toEqual([0, 0, 1])
  })

  it('takes a SentencePiece model, bos and eos as configured', async () => {
    const plain = new SentencePieceTokenizer(model)
    const ids = plain.encode('whale', { addSpecialTokens: false }).ids
    expect((await loadTokenizer(folder({ 'tokenizer.model': model }))).encode('whale').ids).toEqual([1, ...ids])
    const config = JSON.stringify({ add_bos_token: false, add_eos_token: true, pad_token: '<unk>' })
    const tokenizer = await loadTokenizer(folder({ 'spiece.model': model, 'tokenizer_config.json': config }))
    expect(tokenizer.encode('whale').ids).toEqual([...ids, 2])
    expect(tokenizer.special.pad).toBe(0)
  })

  it('takes vocab.json with merges.txt, vocab.txt, characters', async () => {
    const gpt2 = await loadTokenizer(folder({ 'vocab.json': '{"a":0,"b":1,"ab":2}', 'merges.txt': 'a b' }))
    expect(gpt2.encode('ab').ids).toEqual([2])
    const bert = await loadTokenizer(folder({ 'vocab.txt': '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n##c\n' }))
    expect(bert.encode('abc').ids).toEqual([2, 5, 6, 3])
    const characters = await loadTokenizer(folder({ 'tokenizer.json': JSON.stringify(CharTokenizer.fromText('ba')) }))
    expect(characters.encode('ab').ids).toEqual([0, 1])
  })

  it('says what it looked for, and refuses broken files', async () => {
    await expect(loadTokenizer(folder({}))).rejects.toMatchObject({ code: 'no-tokenizer' })
    await expect(loadTokenizer(folder({ 'tokenizer.json': json.slice(0, 99) }))).rejects.toMatchObject({
      code: 'malformed-tokenizer',
    })
    for (const length of [1, 10, 1000, model.length - 1]) {
      const cut = folder({ 'tokenizer.model': model.subarray(0, length) })
      await expect(loadTokenizer(cut)).rejects.toMatchObject({ code: 'malformed-sentencepiece' })
    }
  })

  it('reads a folder on disk', async () => {
    const path = await mkdtemp(join(tmpdir(), 'tokenizer-'))
    try {
      await writeFile(join(path, 'tokenizer.json'), json)
      expect((await loadTokenizerFolder(path)).encode('aa').ids).toEqual([257])
    } finally {
      await rm(path, { recursive: true })
    }
  })
})
