import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load, openPretrained } from '@filature/checkpoint'
import { Rng } from '@filature/tensor'
import { loadTokenizerFolder } from '@filature/tokenizers/node'
import sharp from 'sharp'
import { expect, it } from 'vitest'
import { fastest, newestWeights, scratch } from '../__tests__/scratch.ts'
import { gather } from './batches.ts'
import { type Drawings, emojiFolder, readDrawings, readEmoji, SIDE, splitEmoji } from './emoji.ts'
import { headsOfLearner } from './learner.ts'
import { type CaptionConfig, captionConfig, describeModel, usualShape } from './recipe.ts'
import { nearestEmoji, scoreOf, wordF1 } from './score.ts'
import { trainCaption } from './train.ts'

const test = scratch()
const tiny = {
  ...fastest,
  vocab: 280,
  patch: 32,
  visionWidth: 24,
  visionDepth: 1,
  queries: 2,
  width: 24,
  layers: 1,
  batch: 4,
}
const words = ['red', 'green', 'blue', 'grey', 'pink'] as const
const forms = ['BALL', 'BOX', 'HAT', 'SHOE'] as const

/** Two artists' drawings of twenty things, in colours of their own, with names as the data set has them. */
async function writeEmoji(): Promise<string> {
  const folder = join(test.folder, 'emoji')
  const entries = forms.flatMap((form, f) =>
    words.map((word, w) => ({
      name: `${word.toUpperCase()}-${form}`,
      unified: `1F${f}0${w}-FE0F`,
      image: `1f${f}0${w}.png`,
      category: 'Things & Toys',
      subcategory: form.toLowerCase(),
      has_img_google: true,
      has_img_twitter: true,
    })),
  )
  for (const artist of ['google', 'twitter']) {
    await mkdir(join(folder, artist, 'img'), { recursive: true })
    await writeFile(join(folder, artist, 'emoji.json'), JSON.stringify(entries))
    for (const [i, { image }] of entries.entries()) {
      const background = { r: (i * 53) % 256, g: (i * 97) % 256, b: artist === 'google' ? 90 : 120, alpha: 1 }
      await sharp({ create: { width: SIDE, height: SIDE, channels: 4, background } })
        .png()
        .toFile(join(folder, artist, 'img', image))
    }
  }
  return folder
}

it('trains, tests against the nearest drawing, and saves; going on is the same as never having stopped', async () => {
  const data = await writeEmoji()
  const [whole, parts] = [join(test.folder, 'whole'), join(test.folder, 'parts')]
  const options = { ...tiny, data, steps: 4, evaluateEvery: 2 }
  const result = await trainCaption({ ...options, out: whole })
  expect(result.test!.map(({ count }) => count)).toEqual([2, 2, 16, 16])
  expect(result.test![2]!.nearest.exact).toBeGreaterThan(0.8) // the second artist's colours are near
  expect(test.output()).toMatch(/learned emoji, second artist \(16\) +\d[\d.]+ % +\d/)
  expect(await readFile(join(whole, 'test.json'), 'utf8')).toContain('never seen, same artist')

  const folder = join(whole, 'model')
  await using files = await openPretrained(folder)
  const model = describeModel(files.config as unknown as CaptionConfig, await loadTokenizerFolder(folder))
  const { loaded } = await load(model, files.checkpoint)
  expect(loaded).toContain('llama_proj.weight')
  expect(files.checkpoint.names().filter((name) => headsOfLearner.test(name))).toEqual([])

  test.interruptAt = /step 2 .* held out/
  expect(await trainCaption({ ...options, out: parts })).toMatchObject({ reason: 'stopped', step: 2 })
  expect((await trainCaption({ ...fastest, resume: parts })).step).toBe(4)
  expect(await newestWeights(parts)).toBe(await newestWeights(whole))
})

it('splits by families: forms of one emoji stay together', async () => {
  const folder = await writeEmoji()
  const file = join(folder, 'google/emoji.json')
  const entries = JSON.parse(await readFile(file, 'utf8'))
  const form = (name: string, unified: string) => ({ ...entries[0], name, unified })
  const forms = [
    form('WOMAN COOK', '1F469-200D-1F373'),
    form('MAN COOK', '1F468-200D-1F373'),
    form('Woman: Running', '1F3C3-200D-2640-FE0F'),
    form('RUNNER', '1F3C3'),
    { ...form('Undrawn', '1F999'), has_img_twitter: false },
  ]
  await writeFile(file, JSON.stringify([...entries, ...forms]))
  const emoji = await readEmoji(folder)
  const family = Object.fromEntries(emoji.map((one) => [one.name, one.family]))
  expect(family['woman cook']).toBe(family['man cook'])
  expect(family['woman running']).toBe(family.runner)
  expect(family).not.toHaveProperty('undrawn')
  for (let seed = 0; seed < 20; seed++) {
    const { train, validation, test } = splitEmoji(emoji, new Rng(seed))
    expect(train.length + validation.length + test.length).toBe(emoji.length)
    const sides = [train, validation, test].map((side) => new Set(side.map((one) => one.family)))
    const all = sides.flatMap((side) => [...side])
    expect(new Set(all).size).toBe(all.length)
  }
})

it('scores names and words', () => {
  expect(wordF1('red ball', 'red ball')).toBe(1)
  expect(wordF1('red red ball', 'red hat')).toBeCloseTo(0.4) // one word of three, one of two
  expect(wordF1('', 'red')).toBe(0)
  expect(scoreOf(['a b', 'c'], ['a b', 'd'])).toEqual({ exact: 0.5, wordF1: 0.5 })
})

it('finds the nearest drawing, and leaves unaltered pictures as they are', async () => {
  const folder = await writeEmoji()
  const emoji = await readEmoji(folder)
  const learned = await readDrawings(folder, 'google', emoji)
  const shifted: Drawings = { emoji, pixels: learned.pixels.map((x) => Math.min(255, x + 3)) }
  expect(nearestEmoji(learned, shifted)).toEqual(emoji)
  const { pixels, emoji: shown } = gather(learned, [2])
  expect(shown).toEqual([emoji[2]])
  const red = learned.pixels[2 * SIDE * SIDE * 3]! / 255
  expect(pixels[5]).toBeCloseTo((red - 0.48145466) / 0.26862954, 5)
})

it('has heads that divide any even width', () => {
  const headsOf = (width: number) => captionConfig({ ...usualShape, width }, 300).llama.num_attention_heads
  expect([24, 64, 96, 100, 128, 130].map(headsOf)).toEqual([1, 2, 3, 2, 4, 1])
})

it('says how to get the drawings', async () => {
  expect(() => emojiFolder(test.folder)).toThrow(/no google\/emoji\.json in .*fetch-emoji\.mjs/)
  const data = await writeEmoji()
  const out = join(test.folder, 'run')
  await trainCaption({ ...tiny, data, out, steps: 1 })
  const refused = (options: object) => expect(trainCaption({ ...fastest, ...options })).rejects
  await refused({ ...tiny, data, batch: 99, out: join(test.folder, 'big') }).toThrow(/--batch 99: there are 16 emoji/)
  await refused({ resume: out, seed: 2 }).toThrow(/leave --seed out/)
  await writeFile(join(data, 'google/img', '1f000.png'), 'no picture')
  await refused({ data, out: join(test.folder, 'other'), steps: 1 }).toThrow(/1f000\.png: it cannot be read/)
})
