import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Rng } from '@filature/tensor'
import { expect, it } from 'vitest'
import { fastest, newestWeights, scratch } from '../__tests__/scratch.ts'
import { AugmentedBatches, gather } from './batches.ts'
import { confusionOf, drawConfusion, printConfusion } from './confusion.ts'
import { type LabelledImages, readLabelled } from './idx.ts'
import { trainVit } from './train.ts'

const test = scratch()
const SIDE = 28
const tiny = { ...fastest, dim: 8, depth: 1, heads: 2, mlp: 8, batch: 4, validation: 6, patch: 14 }

const idx = (shape: number[], values: Uint8Array) => {
  const head = Buffer.alloc(4 + 4 * shape.length)
  head.writeUInt32BE(0x800 + shape.length)
  shape.forEach((size, axis) => void head.writeUInt32BE(size, 4 + 4 * axis))
  return Buffer.concat([head, values])
}

/** Pictures whose class is the row that is lit. */
async function writeData(folder: string, counts = { train: 26, t10k: 10 }): Promise<string> {
  await mkdir(folder, { recursive: true })
  for (const [part, count] of Object.entries(counts)) {
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 10)
    const pixels = new Uint8Array(count * SIDE * SIDE)
    labels.forEach((label, i) => {
      pixels.fill(255, (i * SIDE + 2 * label) * SIDE, (i * SIDE + 2 * label + 2) * SIDE)
    })
    await writeFile(join(folder, `${part}-images-idx3-ubyte.gz`), gzipSync(idx([count, SIDE, SIDE], pixels)))
    await writeFile(join(folder, `${part}-labels-idx1-ubyte`), idx([count], labels)) // unpacked ones are read too
  }
  return folder
}

it('trains, tests and draws; going on is the same as never having stopped', async () => {
  const data = await writeData(join(test.folder, 'data'))
  const [whole, parts] = [join(test.folder, 'whole'), join(test.folder, 'parts')]
  const result = await trainVit({ ...tiny, dropout: 0.1, data, out: whole, steps: 8, evaluateEvery: 4 })
  expect(result).toMatchObject({ reason: 'finished', step: 8 })
  const { accuracy, confusion } = JSON.parse(await readFile(join(whole, 'test.json'), 'utf8'))
  expect(accuracy).toBe(result.test!.accuracy)
  expect(confusion.flat().reduce((a: number, b: number) => a + b, 0)).toBe(10)
  expect(await readFile(join(whole, 'confusion.svg'), 'utf8')).toContain('ankle boot')
  expect(test.output()).toMatch(/Of 10 test images \d+\.\d\d % are named right/)
  const config = JSON.parse(await readFile(join(whole, 'checkpoint-8/config.json'), 'utf8'))
  expect(config).toMatchObject({ image_size: [28, 28], patch_size: 14, num_classes: 10, channels: 1 })

  test.interruptAt = /step 4 .* held out/
  const stopped = await trainVit({ ...tiny, dropout: 0.1, data, out: parts, steps: 8, evaluateEvery: 4 })
  expect(stopped).toMatchObject({ reason: 'stopped', step: 4 })
  expect(stopped.test).toBeUndefined()
  expect(test.output()).toMatch(/Go on with: .*vit --resume/)
  expect((await trainVit({ ...fastest, resume: parts })).step).toBe(8)
  expect(await newestWeights(parts)).toBe(await newestWeights(whole))
})

it('learns: the lit row is named', async () => {
  const data = await writeData(join(test.folder, 'data'), { train: 120, t10k: 20 })
  const out = join(test.folder, 'run')
  const shape = { dim: 16, mlp: 32, batch: 20, validation: 20, patch: 7, shift: 0, lr: 0.01, labelSmoothing: 0 }
  const { test: tested } = await trainVit({ ...tiny, ...shape, data, out, steps: 60 })
  expect(tested!.accuracy).toBeGreaterThan(0.9)
})

it('refuses what it cannot do, and says what to do', async () => {
  const data = await writeData(join(test.folder, 'data'))
  const out = join(test.folder, 'run')
  await trainVit({ ...tiny, data, out, steps: 1 })
  const refused = (options: object) => expect(trainVit({ ...fastest, ...options })).rejects
  await refused({ data: test.folder }).toThrow(/no train-images.*fetch-fashion-mnist\.mjs/)
  await refused({ data, out, steps: 1 }).toThrow(/there is a run in it; go on with --resume/)
  const fresh = { ...tiny, data, steps: 1, out: join(test.folder, 'new') }
  await refused({ ...fresh, heads: 3 }).toThrow(/--heads 3: it must divide --dim 8/)
  await refused({ ...fresh, validation: 26 }).toThrow(/--validation 26: there are 26 training images/)
  await refused({ ...fresh, batch: 21 }).toThrow(/--batch 21: there are 20 images to learn from/)
  await refused({ ...fresh, epochs: 2 }).toThrow(/--epochs and --steps: each says how long/)
  await refused({ ...fresh, validation: 0, evaluateEvery: 1 }).toThrow(/--evaluate-every: there is nothing to test on/)
  const others = await writeData(join(test.folder, 'others'), { train: 27, t10k: 10 })
  await refused({ resume: out, data: others }).toThrow(/others is not the data of the first run any more/)
  await refused({ resume: out, lr: 1 }).toThrow(/leave --lr out/)
  await refused({ resume: test.folder }).toThrow(/no checkpoint/)
  await refused({ ...tiny, data, steps: 1, patch: 5, out: join(test.folder, 'p') }).toThrow(/28.*5/)
  await writeFile(join(data, 't10k-images-idx3-ubyte.gz'), gzipSync(idx([3, SIDE, SIDE], new Uint8Array(7))))
  await refused({ data }).toThrow(/wanted 2352 values for 3 x 28 x 28, got 7/)
  await writeFile(join(data, 't10k-images-idx3-ubyte.gz'), 'not packed')
  await refused({ data }).toThrow(/cannot be unpacked/)
  await writeFile(join(data, 'train-labels-idx1-ubyte'), idx([26], new Uint8Array(26).fill(77)))
  await refused({ data }).toThrow(/labels from 0 to 9, image 0 has 77/)
})

it('alters each picture by a shift and a mirror, by epoch and place alone', async () => {
  const images: LabelledImages = {
    count: 1,
    height: 3,
    width: 3,
    pixels: Uint8Array.of(0, 0, 0, 0, 255, 128, 0, 0, 0),
    labels: Uint8Array.of(4),
  }
  const options = { batchSize: 1, rng: new Rng(1), augmentation: { shift: 1, flip: true } }
  const batches = new AugmentedBatches(images, options)
  const plain = gather(images, [0])
  expect(plain.labels).toEqual(Int32Array.of(4))
  const bright = Math.max(...plain.pixels)
  const seen = new Set<string>()
  for (let i = 0; i < 200; i++) {
    const at = batches.position
    const { pixels } = batches.next()
    const place = pixels.indexOf(bright)
    const right = pixels[place + 1] === plain.pixels[5] && place % 3 < 2
    seen.add(`${place} ${place % 3 === 2 || place % 3 === 0 ? '' : right}`)
    const again = new AugmentedBatches(images, options)
    again.seek(at)
    expect(again.next().pixels).toEqual(pixels)
  }
  // Nine places, and in the middle column both ways round.
  expect([...seen].map((one) => one.split(' ')[0]).sort()).toEqual([...'0112344567 78'.replace(' ', '')].sort())
})

it('reads unpacked files and counts confusions', async () => {
  const data = await writeData(join(test.folder, 'data'))
  const { count, labels } = await readLabelled(data, 't10k')
  expect([count, labels[7]]).toEqual([10, 7])
  const counts = confusionOf([0, 0, 1], [0, 1, 1], 2)
  expect(counts).toEqual([
    [1, 1],
    [0, 1],
  ])
  expect(printConfusion(counts, ['hat', 'tie']).split('\n')[1]).toMatch(/hat +1 +1 +50\.0 %/)
  const svg = drawConfusion(counts, ['<hat>', 'tie'], 'two')
  expect(svg).toContain('&lt;hat>')
  expect(svg.match(/<rect/g)).toHaveLength(5)
})
