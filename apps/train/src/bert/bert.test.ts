import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { activate } from '@filature/command-line'
import { cpu, init, Rng, useBackend, valueAndGrads } from '@filature/tensor'
import { expectClose } from '@filature/testing'
import { BertForPreTraining } from '@filature/transformer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fastest, newestWeights, scratch } from '../__tests__/scratch.ts'
import { classify } from '../classify/classify.ts'
import { fineTune } from '../classify/fine-tune.ts'
import { balanced } from '../classify/passages.ts'
import { KINDS, kindOf, readBrown, splitSamples } from './brown.ts'
import { pairLoss } from './loss.ts'
import { pairTensors, SentencePairs } from './pairs.ts'
import { bertConfigOf, usualShape } from './recipe.ts'
import { trainBert } from './train.ts'
import { CLS, encodePlain, joinPair, learnWords, MASK, openWords, SEP } from './words.ts'

let root: string
const genres = Object.values(KINDS).map(([genre]) => genre!)

/** A corpus of the real one's format: forty samples of invented sentences, words by genre. */
async function writeCorpus(folder: string, seed = 0): Promise<void> {
  await mkdir(folder)
  const lines: string[] = []
  for (let n = 0; n < 40; n++) {
    const genre = genres[n % genres.length]!
    const rng = new Rng(seed + n)
    const sentence = () =>
      `\t${Array.from({ length: 8 }, () => `${genre.slice(0, 3)}${rng.integer(9)}/nn`).join(' ')} ./.\n`
    await writeFile(join(folder, `s${n}`), Array.from({ length: 12 }, sentence).join('\n\n'))
    lines.push(`s${n} ${genre}`)
  }
  await writeFile(join(folder, 'cats.txt'), lines.join('\n'))
}

const test = scratch()
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'bert-'))
  await writeCorpus(join(root, 'corpus'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

const tiny = () => ({
  ...fastest,
  data: join(root, 'corpus'),
  vocab: 300,
  width: 16,
  layers: 1,
  heads: 2,
  memory: 24,
  batch: 4,
  length: 24,
  evaluateEvery: 2,
  saveEvery: 2,
})

describe('the corpus', () => {
  it('is read as it was printed, by genre', async () => {
    const samples = await readBrown(join(root, 'corpus'))
    expect(samples).toHaveLength(40)
    expect(samples[0]!.sentences[0]).toMatch(/^(new\d ){7}new\d\.$/)
    expect(kindOf('romance')).toBe(3)
    expect(() => kindOf('haiku')).toThrow(/belongs to no kind/)
    expect(splitSamples(samples).heldOut).toHaveLength(4)
  })
})

describe('words', () => {
  it('are read in lower case, as the corpus is', () => {
    const tokenizer = openWords(learnWords([' the cat sat'.repeat(9)], 300))
    expect(encodePlain(tokenizer, 'The CAT')).toEqual(encodePlain(tokenizer, 'the cat'))
    expect(tokenizer.encode('The [MASK]', { addSpecialTokens: false }).ids.at(-1)).toBe(MASK)
  })
})

describe('pairs', () => {
  it('are cut from the longer end', () => {
    expect(joinPair([10, 11, 12, 13], [20, 21], 8)).toEqual({
      ids: [CLS, 10, 11, 12, SEP, 20, 21, SEP],
      types: [0, 0, 0, 0, 0, 1, 1, 1],
    })
  })

  it('mask about 15 % of the words, mostly by [MASK], and follow each other every second time', () => {
    const documents = Array.from({ length: 20 }, (_, d) =>
      Array.from({ length: 30 }, (_, s) => Array.from({ length: 6 }, (_, i) => 10 + d + s + i)),
    )
    const source = () =>
      new SentencePairs(documents, { batchSize: 50, length: 40, vocab: 100, predicted: 0.15, rng: new Rng(1) })
    const data = source()
    const counts = { words: 0, predicted: 0, masked: 0, follows: 0, rows: 0 }
    for (let n = 0; n < 10; n++) {
      const { ids, labels, mask, next } = data.next()
      labels.forEach((label, i) => {
        if (mask[i] && ids[i]! !== CLS && ids[i]! !== SEP) counts.words++
        if (label === -100) return
        counts.predicted++
        if (ids[i] === MASK) counts.masked++
      })
      for (const label of next) counts.follows += label === 0 ? 1 : 0
      counts.rows += next.length
    }
    expect(counts.predicted / counts.words).toBeCloseTo(0.15, 1)
    expect(counts.masked / counts.predicted).toBeCloseTo(0.8, 1)
    // the ends of documents have nothing behind them
    expect(counts.follows / counts.rows).toBeGreaterThan(0.4)
    expect(counts.follows / counts.rows).toBeLessThan(0.55)
    const again = source()
    again.seek(data.position)
    expect(again.next()).toEqual(data.next())
  })
})

describe('the loss', () => {
  it("is the model's own, gradients too, with the vocabulary scored where words are masked alone", async () => {
    await useBackend(cpu())
    const documents = [Array.from({ length: 12 }, (_, s) => Array.from({ length: 5 }, (_, i) => 10 + s + i))]
    const data = new SentencePairs(documents, { batchSize: 3, length: 16, vocab: 40, predicted: 0.15, rng: new Rng(2) })
    const shape = { ...usualShape, width: 8, layers: 1, heads: 2, memory: 12, length: 16 }
    const model = init(new BertForPreTraining(bertConfigOf(shape, 40)), new Rng(1))
    const batch = data.next()
    const masked = batch.labels.filter((label) => label !== -100).length
    expect(masked).toBeGreaterThan(1)
    expect(masked).toBeLessThan(20)
    const whole = valueAndGrads(model, () => model.loss(pairTensors(batch)))
    const part = valueAndGrads(model, () => pairLoss(model, batch))
    await expectClose(part.value, whole.value, { atol: 1e-6, rtol: 1e-6 })
    expect([...part.grads.keys()].sort()).toEqual([...whole.grads.keys()].sort())
    for (const [path, gradient] of part.grads)
      await expectClose(gradient, whole.grads.get(path)!, { atol: 1e-6, rtol: 1e-5 })
    const none = { ...batch, labels: batch.labels.map(() => -100) }
    expect(pairLoss(model, none).dataSync()[0]).toEqual(model.loss(pairTensors(none)).dataSync()[0])
  })
})

describe('filature-train bert and classify', () => {
  it('pretrains and saves; going on is the same as never having stopped', async () => {
    const options = { ...tiny(), dropout: 0.1, steps: 6, seed: 3 }
    const [whole, parts] = [join(test.folder, 'whole'), join(test.folder, 'parts')]
    const result = await trainBert({ ...options, out: whole })
    expect(result).toMatchObject({ reason: 'finished', step: 6 })
    expect(existsSync(join(result.pretrained!, 'tokenizer.json'))).toBe(true)
    expect(test.output()).toMatch(/Held out: loss \d\.\d+, \d+\.\d % of the masked tokens and \d+\.\d % of the pairs/)

    test.interruptAt = /step 4 .* held out/
    expect(await trainBert({ ...options, out: parts })).toMatchObject({ reason: 'stopped', step: 4 })
    expect((await trainBert({ ...fastest, resume: parts })).metrics).toEqual(result.metrics)
    expect(await newestWeights(parts)).toBe(await newestWeights(whole))

    expect((await trainBert({ ...fastest, resume: whole, steps: 8 })).step).toBe(8)
    await expect(trainBert({ ...tiny(), resume: whole })).rejects.toThrow(/goes on as it began/)
    await expect(trainBert({ ...fastest, resume: whole, steps: 5 })).rejects.toThrow(/has made 8 already/)
    const other = join(test.folder, 'corpus')
    await writeCorpus(other, 100)
    await expect(trainBert({ ...fastest, resume: whole, data: other })).rejects.toThrow(/is not the data of the first/)
    await expect(trainBert({ ...options, batch: 9000, out: other })).rejects.toThrow(
      /--batch 9000: there are \d+ pairs/,
    )
  })

  it('fine-tunes what pretraining left; a stopped comparison goes on with the same numbers', async () => {
    const out = join(test.folder, 'run')
    const { pretrained } = await trainBert({ ...tiny(), out, steps: 4 })
    const options = { ...fastest, from: out, data: join(root, 'corpus'), steps: 4, batch: 8, lr: 1e-2, test: 12 }
    const task = { ...options, labels: [8, 40], repeats: 2, seed: 1 }
    const whole = await classify(task)
    expect([whole.reason, whole.rows.map((row) => row.labels)]).toEqual(['finished', [8, 40]])
    for (const { pretrained, scratch } of whole.rows) {
      expect(pretrained).not.toEqual(scratch)
      for (const { mean } of [pretrained, scratch]) expect(Math.round(mean * 24)).toBeCloseTo(mean * 24, 6) // of 2 x 12
    }
    const file = join(pretrained!, 'classify.json')
    const saved = await readFile(file, 'utf8')
    expect(JSON.parse(saved).rows).toEqual(whole.rows)

    await rm(file)
    test.interruptAt = /^ +8 /
    const stopped = await classify(task)
    expect([stopped.reason, stopped.rows]).toEqual(['stopped', whole.rows.slice(0, 1)])
    const before = test.output().length
    expect(await classify(task)).toEqual(whole)
    expect(await readFile(file, 'utf8')).toBe(saved)
    expect(test.output().slice(before)).toMatch(/^ +8 .*\n +40 /m)
    // another comparison begins anew
    expect((await classify({ ...task, labels: [8], lr: 1e-3 })).rows[0]).not.toEqual(whole.rows[0])
  })

  it('fine-tunes to tell passages apart by their words, and reaches the same from the same seed', async () => {
    await activate(fastest)
    const passage = (n: number) => ({
      ids: Array.from(new Rng(n).words(6), (word) => 4 + 5 * (n % 4) + (word % 5)), // five words of its kind
      kind: n % 4,
    })
    const passages = (from: number, count: number) => Array.from({ length: count }, (_, i) => passage(from + i))
    const shape = { ...usualShape, width: 16, layers: 1, heads: 2, memory: 16, length: 8, dropout: 0 }
    const task = {
      config: { ...bertConfigOf(shape, 24), initializer_range: 0.3 },
      from: undefined,
      train: passages(0, 32),
      test: passages(100, 40),
      length: 8,
      steps: 40,
      batch: 16,
      lr: 1e-2,
      seed: 1,
    }
    const part = await fineTune(task)
    expect(part).toBeGreaterThan(0.9)
    expect(await fineTune(task)).toBe(part)
  })

  it('says what is missing', async () => {
    await expect(trainBert({ ...tiny(), data: root })).rejects.toThrow(/cats.txt is missing.*fetch-brown/)
    await expect(
      classify({ backend: 'cpu', from: root, labels: [8], steps: 1, batch: 1, lr: 1, test: 4, repeats: 1, seed: 1 }),
    ).rejects.toThrow(/config.json cannot be read/)
  })

  it('chooses as many passages of each kind', () => {
    const passages = Array.from({ length: 100 }, (_, i) => ({ ids: [i], kind: i % 4 === 0 ? 1 : 3 }))
    const chosen = balanced(passages, 20, new Rng(0))
    expect(chosen.filter(({ kind }) => kind === 1)).toHaveLength(5)
  })
})
