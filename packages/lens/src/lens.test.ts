import {
  add,
  argMax,
  capture,
  cpu,
  init,
  matMul,
  Rng,
  reshape,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
} from '@filature/tensor'
import { expectNoLeak } from '@filature/testing'
import { GPT2LMHeadModel, GPT2MLP } from '@filature/transformer'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  agreement,
  type Corpus,
  corpusStatistics,
  findMemories,
  findTriggers,
  type MemoryModel,
  readValues,
  sweep,
  topTokens,
  truncateTriggers,
} from './index.ts'

const V = 11
const corpus: Corpus = Array.from({ length: 9 }, (_, n) => {
  const rng = new Rng(n)
  return Array.from({ length: 2 + rng.integer(6) }, () => rng.integer(V))
})
let lens: MemoryModel

beforeAll(async () => {
  await useBackend(cpu())
  const model = init(
    new GPT2LMHeadModel({
      vocab_size: V,
      n_embd: 8,
      n_layer: 2,
      n_head: 2,
      n_positions: 8,
      n_inner: 12,
      initializer_range: 0.6,
    }),
    new Rng(1),
  )
  lens = {
    model,
    layers: findMemories(model, GPT2MLP, (mlp) => mlp.c_proj.weight.value as Tensor2D),
    unembedding: () => model.lm_head.weight.value as Tensor2D,
    logits: (ids) => model.logits({ ids }),
  }
})

/** One sentence alone, its tap at every position: (T, width). */
function alone(sentence: ArrayLike<number>, tap: string): { data: Float32Array; width: number } {
  return tidy(() => {
    const ids = tensor(Array.from(sentence), [1, sentence.length], 'int32')
    using seen = capture(lens.model, tap, () => lens.logits(ids))
    const x = seen.activations.get(tap)!
    return { data: x.dataSync().slice() as Float32Array, width: x.shape[2]! }
  })
}

const strongest = (layer: number, key: number) =>
  corpus
    .flatMap((sentence, n) => {
      const { data, width } = alone(sentence, lens.layers[layer]!.memory)
      return Array.from({ length: sentence.length - 1 }, (_, t) => ({ n, t, c: data[t * width + key]! }))
    })
    .filter(({ c }) => c > 0)
    .sort((a, b) => b.c - a.c)

describe('triggers', () => {
  it('are the prefixes with the greatest coefficients, over batches of any size', async () => {
    for (const batchSize of [2, 50]) {
      const triggers = await findTriggers(lens, corpus, { topK: 3, batchSize })
      for (const [layer, key] of [
        [0, 0],
        [0, 7],
        [1, 4],
      ] as const) {
        const wanted = strongest(layer, key).slice(0, 3)
        expect(triggers[layer]![key]!.map(({ sentence, position }) => [sentence, position])).toEqual(
          wanted.map(({ n, t }) => [n, t]),
        )
        for (const { sentence, position, nextToken } of triggers[layer]![key]!)
          expect(nextToken).toBe(corpus[sentence]![position + 1])
      }
    }
  })

  it('count a sentence once where asked to', async () => {
    const triggers = await findTriggers(lens, corpus, { topK: 9, perSentence: true })
    for (const keys of triggers)
      for (const list of keys) expect(new Set(list.map((t) => t.sentence)).size).toBe(list.length)
  })

  it('are cut at either end by running what is left', async () => {
    const triggers = await findTriggers(lens, corpus, { topK: 1 })
    const cut = await truncateTriggers(lens, corpus, triggers)
    for (const [layer, keys] of triggers.entries()) {
      for (const [key, [best]] of keys.entries()) {
        const prefix = best ? Array.from(corpus[best.sentence]!).slice(0, best.position + 1) : []
        const at = (part: number[]) => {
          if (part.length === 0) return 0
          const { data, width } = alone(part, lens.layers[layer]!.memory)
          return data[(part.length - 1) * width + key]!
        }
        expect(cut[layer]!.withoutFirst[key]).toBeCloseTo(at(prefix.slice(1)), 5)
        expect(cut[layer]!.withoutLast[key]).toBeCloseTo(at(prefix.slice(0, -1)), 5)
      }
    }
  })
})

describe('values', () => {
  it('are read in the vocabulary, and agree with their triggers or not', async () => {
    const values = await readValues(lens)
    const [first] = topTokens(values[1]!, 3, 2)
    expect(first!.token).toBe(values[1]!.argmax[3])
    expect(first!.probability).toBe(values[1]!.maxProbability[3])
    const triggers = await findTriggers(lens, corpus, { topK: 4 })
    const [layer] = agreement(triggers, values)
    layer!.agrees.forEach((agrees, key) => {
      expect(agrees).toBe(layer!.nextTokenRank[key] === 0)
      expect(layer!.matches[key]).toBe(triggers[0]![key]!.filter((t) => t.nextToken === values[0]!.argmax[key]).length)
    })
  })
})

describe('statistics', () => {
  it('equal a count by hand', async () => {
    const values = await readValues(lens)
    const stats = await corpusStatistics(lens, corpus, values, { batchSize: 4 })
    const E = lens.unembedding()
    const counts = { positions: 0, match: 0, composed: 0, split: [0, 0, 0, 0] }
    const layer = 1
    const { memory, residual, ffn } = lens.layers[layer]!
    corpus.forEach((sentence, n) => {
      tidy(() => {
        const ids = tensor(Array.from(sentence), [1, sentence.length], 'int32')
        using seen = capture(lens.model, [memory, residual!, ffn!], () => lens.logits(ids))
        const top = (x: Tensor) =>
          Array.from(argMax(matMul(reshape(x, [-1, 8]), E, { transposeB: true }), -1).dataSync())
        const [r, y] = [seen.activations.get(residual!)!, seen.activations.get(ffn!)!]
        const [tr, ty, to] = [top(r), top(y), top(add(r, y))]
        const final = Array.from(argMax(seen.output, -1).dataSync())
        const coefficients = seen.activations.get(memory)!.dataSync()
        sentence = Array.from(sentence)
        for (let t = 0; t < sentence.length; t++) {
          counts.positions++
          if (tr[t] === final[t]) counts.match++
          const active = Array.from({ length: 12 }, (_, key) => key).filter((key) => coefficients[t * 12 + key]! > 0)
          if (active.every((key) => values[layer]!.argmax[key] !== ty[t])) counts.composed++
          counts.split[to[t] === tr[t] ? (to[t] === ty[t] ? 2 : 0) : to[t] === ty[t] ? 1 : 3]!++
          expect(stats.topFinal[n * stats.width + t]).toBe(final[t])
          expect(stats.layers[layer]!.activeCount[n * stats.width + t]).toBe(active.length)
        }
      })
    })
    const got = stats.layers[layer]!
    expect(got.residualMatchRate).toBeCloseTo(counts.match / counts.positions, 12)
    expect(got.composedRateFfn).toBeCloseTo(counts.composed / counts.positions, 12)
    expect(got.splitRates).toEqual(counts.split.map((count) => count / counts.positions))
  })

  it('leave nothing behind', async () => {
    const values = await readValues(lens)
    await expectNoLeak(async () => void (await corpusStatistics(lens, corpus, values)))
    await expectNoLeak(async () => void (await truncateTriggers(lens, corpus, await findTriggers(lens, corpus))))
  })
})

it('finds the taps of a block, and of a layer, that is the model itself', () => {
  const values = (mlp: GPT2MLP) => mlp.c_proj.weight.value as Tensor2D
  const { transformer } = lens.model as GPT2LMHeadModel
  const [block] = transformer.h
  expect(findMemories(block!, GPT2MLP, values)).toMatchObject([
    { memory: 'mlp.memory', pre: 'mlp.pre', residual: 'residual', ffn: 'ffn' },
  ])
  const [own] = findMemories(block!.mlp, GPT2MLP, values)
  expect(own).toMatchObject({ memory: 'memory', pre: 'pre', residual: undefined, ffn: undefined })
  const seen = tidy(() => {
    const x = reshape(tensor(Float32Array.from({ length: 8 }, Math.sin)), [1, 1, 8])
    using found = capture(block!.mlp, [own!.memory, own!.pre!], () => block!.mlp.forward(x))
    return [...found.activations.keys()]
  })
  expect(seen.sort()).toEqual(['memory', 'pre'])
})

it('refuses numbers that are no counts, and values of other layers', async () => {
  const refused = (run: Promise<unknown>, code: string) =>
    expect(run).rejects.toThrow(expect.objectContaining({ code }))
  for (const batchSize of [0, -1, 1.5, Number.NaN])
    await refused(findTriggers(lens, corpus, { batchSize }), 'lens-option')
  for (const topK of [0, -1, Number.NaN]) await refused(findTriggers(lens, corpus, { topK }), 'lens-option')
  await refused(corpusStatistics(lens, corpus, []), 'lens-values')
  const taps = 'transformer.h.*.mlp.memory'
  const kept = async (path: string) => {
    for await (const seen of sweep(lens, corpus, [taps], { keep: [path] })) return seen.taps.size
  }
  expect(await kept('transformer.h.1.mlp.memory')).toBe(1)
  await refused(kept('transformer.h.2.mlp.memory'), 'lens-keep')
})

it('says what a model lacks', async () => {
  class Other extends GPT2MLP {}
  expect(() => findMemories(lens.model, Other, () => lens.unembedding())).toThrow(/holds no Other/)
  await expect(findTriggers(lens, [])).rejects.toThrow(/at least one token/)
  const bare = { ...lens, layers: lens.layers.map(({ memory, values }) => ({ memory, values })) }
  await expect(corpusStatistics(bare, corpus, await readValues(lens))).rejects.toThrow(/residual and ffn/)
})
