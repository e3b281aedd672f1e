import { describe, expect, it } from 'vitest'
import { bytesSource } from '../sources/memory.ts'
import { readWordVectors } from './read.ts'

const utf8 = (text: string) => bytesSource(new TextEncoder().encode(text), 'tiny.vec')
const vocabulary = ['dog', 'none', 'žena', 'dog']
const lines = ['the 1 2 3', 'žena -0.5 1e-2 4', 'dog 7 8 9', 'dog 0 0 0']
const expected = [7, 8, 9, 0, 0, 0, -0.5, Math.fround(0.01), 4, 7, 8, 9]

function binary(end: string, count = 3) {
  const records = lines.slice(0, 3).map((line) => {
    const [word, ...numbers] = line.split(' ')
    const floats = Buffer.alloc(12)
    for (const [i, number] of numbers.entries()) floats.writeFloatLE(Number(number), 4 * i)
    return Buffer.concat([Buffer.from(`${word} `), floats, Buffer.from(end)])
  })
  return Buffer.concat([Buffer.from(`${count} 3\n`), ...records])
}

describe('readWordVectors', () => {
  it.each([
    ["GloVe's text", utf8(lines.join('\n'))],
    ["word2vec's text", utf8(`4 3\n${lines.join('\n')}\n`)],
    ["fastText's .vec", utf8(`4 3\n${lines.map((line) => `${line} \n`).join('')}`)],
    ['lines ended as on Windows', utf8(`4 3\r\n${lines.join('\r\n')}\r\n`)],
    ["word2vec's binary", bytesSource(binary('\n'))],
    ['binary without newlines', bytesSource(binary(''))],
  ])('reads %s, whatever the chunks', async (_, source) => {
    for (const chunk of [1, 7, 1 << 20]) {
      const { width, rows, missing } = await readWordVectors(source, vocabulary, { chunk })
      expect(width).toBe(3)
      expect([...rows]).toEqual(expected)
      expect(missing).toEqual(['none'])
    }
  })

  it('knows words that hold blanks, and reads no further than it must', async () => {
    const text = `${lines[0]}\n. . . 4 5 6\nnot whole`
    expect([...(await readWordVectors(utf8(text), ['. . .', 'the'])).rows]).toEqual([4, 5, 6, 1, 2, 3])
  })

  it('refuses options that cannot be', async () => {
    const vectors = utf8(lines.join('\n'))
    for (const options of [{ chunk: 0 }, { chunk: 1.5 }, { format: 'csv' as 'text' }]) {
      const reading = readWordVectors(vectors, vocabulary, options)
      await expect(reading).rejects.toMatchObject({ name: 'ConfigError', code: 'vectors-option' })
    }
  })

  it.each([
    ['a text that is cut', utf8('4 3\nthe 1 2 3\n'), /wanted 4 vectors.*got 1; is it whole/],
    ['a line that is cut', utf8('the 1 2 3\ndog 7'), /wanted a word and 3 numbers.*got 2 fields/],
    ['what is no number', utf8('the 1 2 3\ndog 7 x 9'), /3 numbers behind "dog".*one is none/],
    ['a binary that is cut', bytesSource(binary('\n').subarray(0, -20)), /ends inside a vector/],
    ['a width out of bounds', utf8('1 99999999\nthe 1'), /1 to 65536 wide, got 99999999/],
    ['a file of something else', utf8('hello\n'), /wide, got 0; are these word vectors/],
  ])('refuses %s', async (_, source, message) => {
    await expect(readWordVectors(source, vocabulary)).rejects.toThrow(message)
    await expect(readWordVectors(source, vocabulary)).rejects.toMatchObject({ name: 'CheckpointError' })
  })
})
