import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Rng } from '@filature/tensor'
import { expect, it } from 'vitest'
import { BucketedPairs, batchOf } from './batches.ts'
import { type Pair, pairsFile, readPairs, splitPairs } from './pairs.ts'
import { WordForWord } from './word-for-word.ts'

it('reads pairs either way round, without long ones and repeated sources; names what is wrong', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filature-pairs-'))
  try {
    const file = join(folder, 'pairs.tsv')
    await writeFile(file, 'ein Hund\ta dog\nein Hund\tone dog\neins zwei drei\tone two\n')
    const read = async (reverse: boolean) => (await readPairs(pairsFile(file), { maxWords: 2, reverse })).pairs
    expect(await read(false)).toEqual([{ source: 'ein Hund', target: 'a dog' }])
    expect(await read(true)).toEqual([
      { source: 'a dog', target: 'ein Hund' },
      { source: 'one dog', target: 'ein Hund' },
    ])
    await writeFile(file, 'ein Hund\n')
    await expect(read(false)).rejects.toThrow(/line 1, got 1 parts/)
    await writeFile(file, Buffer.from([0x65, 0xff, 0x09, 0x66]))
    await expect(read(false)).rejects.toThrow(/--data .*: it is not UTF-8/)
    await expect(readPairs(folder, { maxWords: 2, reverse: false })).rejects.toThrow(/wanted a file, that is a folder/)
    expect(() => pairsFile(join(folder, 'none.tsv'))).toThrow(/fetch-translations/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('holds out sentences that the training pairs have on neither side', () => {
  const pairs: Pair[] = Array.from({ length: 60 }, (_, i) => ({ source: `quelle ${i}.`, target: `target ${i % 20}` }))
  const { train, test, validation } = splitPairs(pairs, { seed: 1, test: 5 })
  expect([test.length, validation.length]).toEqual([5, 5])
  const held = new Set([...test, ...validation].map(({ target }) => target))
  expect(train.length).toBeGreaterThan(0)
  expect(train.some(({ target }) => held.has(target))).toBe(false)
  expect(splitPairs(pairs, { seed: 1, test: 5 }).test).toEqual(test)
  expect(splitPairs(pairs, { seed: 2, test: 5 }).test).not.toEqual(test)
  expect(() => splitPairs(pairs, { seed: 1, test: 30 })).toThrow(/more than 60 pairs/)
})

const encoded = Array.from({ length: 50 }, (_, i) => {
  const length = 1 + ((7 * i) % 23)
  return { source: [...Array(length).fill(5 + i), 2], target: [1, ...Array(length).fill(5 + i), 2] }
})

it('gives every pair once an epoch, beside others of its length, and again from every position', () => {
  const make = () => new BucketedPairs(encoded, { batchSize: 4, rng: new Rng(1), pad: 0 })
  const source = make()
  for (let epoch = 0; epoch < 2; epoch++) {
    const seen: number[] = []
    let padded = 0
    for (let i = 0; i < source.batchesPerEpoch; i++) {
      const { position } = source
      const batch = source.next()
      const again = make()
      again.seek(JSON.parse(JSON.stringify(position)))
      expect(again.next()).toEqual(batch)
      const [B, S] = batch.source.shape
      padded += batch.source.values.filter((id) => id === 0).length
      for (let b = 0; b < B; b++) seen.push(batch.source.values[b * S]! - 5)
    }
    expect(seen.sort((a, b) => a - b)).toEqual([...encoded.keys()])
    expect(padded).toBeLessThan(60) // at random it would be about 300
  }
})

it('the decoder reads from the start what it is to say one further, to the end', () => {
  const batch = batchOf(
    [
      { source: [7, 8, 2], target: [1, 5, 6, 2] },
      { source: [9, 2], target: [1, 4, 2] },
    ],
    0,
  )
  expect([...batch.source.values]).toEqual([7, 8, 2, 9, 2, 0])
  expect([...batch.lengths]).toEqual([3, 2])
  expect([...batch.target.values]).toEqual([1, 5, 6, 1, 4, 0])
  expect([...batch.labels.values]).toEqual([5, 6, 2, 4, 2, 0])
})

it('word for word: finds the dictionary behind the pairs, leaves unknown words', () => {
  const dictionary = { der: 'the', Hund: 'dog', Mann: 'man', schläft: 'sleeps', geht: 'walks', und: 'and' }
  const words = (text: string) =>
    text
      .split(' ')
      .map((w) => dictionary[w as keyof typeof dictionary])
      .join(' ')
  const sources = [
    'der Hund schläft',
    'der Mann geht',
    'der Mann schläft',
    'der Hund geht',
    'der Hund und der Mann',
    'und der Mann geht',
  ]
  const baseline = new WordForWord(sources.map((source) => ({ source, target: words(source) })))
  expect(baseline.translate('der Hund geht und der Mann schläft, ja')).toBe('the dog walks and the man sleeps , ja')
})
