import { generate } from '@filature/generation'
import {
  activationGrads,
  capture,
  cpu,
  init,
  narrow,
  observe,
  Rng,
  stateOf,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
  training,
  useBackend,
  valueAndGrads,
} from '@filature/tensor'
import { expectClose, expectNoLeak } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { attentionKinds, RecurrentSeq2Seq, type RecurrentSeq2SeqConfig } from '../index.ts'

const small = { src_vocab: 9, tgt_vocab: 11, embedding_size: 6, hidden_size: 8, pad_token_id: 0 }
const make = (config: Partial<RecurrentSeq2SeqConfig> = {}) =>
  init(new RecurrentSeq2Seq({ ...small, ...config }), new Rng(1))
const ids = (rows: number[][]) =>
  tensor(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], 'int32') as Tensor2D
const values = (x: Tensor) => [...x.dataSync()]

const lengths = [4, 2, 3]
const batch = () => ({
  source: {
    ids: ids([
      [3, 4, 5, 2],
      [6, 2, 0, 0],
      [8, 7, 2, 0],
    ]),
    lengths,
  },
  target: ids([
    [1, 4, 5, 6, 7],
    [1, 7, 0, 0, 0],
    [1, 3, 9, 10, 0],
  ]),
  labels: ids([
    [4, 5, 6, 7, 2],
    [7, 2, 0, 0, 0],
    [3, 9, 10, 2, 0],
  ]),
})

beforeAll(async () => {
  await useBackend(cpu())
})

const variants: [string, Partial<RecurrentSeq2SeqConfig>][] = [
  ...attentionKinds.map((attention): [string, Partial<RecurrentSeq2SeqConfig>] => [attention, { attention }]),
  ...(['general', 'local-m', 'local-p', 'hard'] as const).map(
    (attention): [string, Partial<RecurrentSeq2SeqConfig>] => [
      `${attention}, all steps at once`,
      { attention, input_feeding: false },
    ],
  ),
  ['LSTM of two layers', { cell: 'lstm', num_layers: 2, attention: 'concat' }],
  ['GRU of two layers without attention', { num_layers: 2, attention: 'none' }],
]

describe.each(variants)('%s', (_, config) => {
  it('decodes step by step what teacher forcing gives, also after rows change places', async () => {
    const model = make(config)
    const { source, target } = batch()
    const encoded = model.encode(source)
    const whole = model.decode(target, encoded)
    expect(whole.shape).toEqual([3, 5, 11])
    using cache = model.newCache(3, 5)
    for (const [from, to] of [
      [0, 1],
      [1, 3],
    ] as const) {
      await expectClose(model.decode(narrow(target, 1, from, to), encoded, cache), narrow(whole, 1, from, to))
    }
    expect(cache.length).toBe(3)
    const rows = [2, 0, 0]
    const pick = (x: Tensor) =>
      tensor(
        rows.flatMap((r) => values(narrow(x, 0, r, r + 1))),
        x.shape as [number, number, number],
        x.dtype as 'float32',
      )
    cache.reorder(tensor(rows, [3], 'int32'))
    const moved = { memory: pick(encoded.memory), memoryMask: pick(encoded.memoryMask!) as unknown as Tensor2D }
    const next = narrow(pick(target) as unknown as Tensor2D, 1, 3, 5)
    await expectClose(model.decode(next, moved, cache), narrow(pick(whole), 1, 3, 5))
  })

  it('gives a padded row what it gives the row alone', async () => {
    const model = make(config)
    const { source, target } = batch()
    const whole = model.decode(target, model.encode(source))
    for (const [row, length] of lengths.entries()) {
      const alone = { ids: narrow(narrow(source.ids, 0, row, row + 1), 1, 0, length) }
      const scores = model.decode(narrow(target, 0, row, row + 1), model.encode(alone))
      await expectClose(scores, narrow(whole, 0, row, row + 1))
    }
  })

  it('lets the gradient reach every parameter', () => {
    const model = make(config)
    const { grads } = valueAndGrads(model, () => training(model, new Rng(3), () => model.loss(batch())))
    for (const [path, grad] of grads) {
      expect(grad && values(grad).some((g) => g !== 0), path).toBe(true)
      expect(values(grad!).every(Number.isFinite), path).toBe(true)
    }
  })

  it('leaks nothing', async () => {
    const model = make(config)
    const b = batch()
    await expectNoLeak(async () => {
      tidy(() => void valueAndGrads(model, () => training(model, new Rng(3), () => model.loss(b))))
      await generate(model, { source: b.source, start: 1 }, { maxNewTokens: 3, eosIds: 2, numBeams: 2 })
    })
  })

  it('ignores padded labels', () => {
    const model = make(config)
    const b = batch()
    const more = {
      ...b,
      labels: ids([
        [4, 5, 6, 7, 2],
        [7, 2, -100, -100, 0],
        [3, 9, 10, 2, -100],
      ]),
    }
    expect(values(model.loss(more))[0]).toBeCloseTo(values(model.loss(b))[0]!, 6)
  })
})

it('names its parameters as its parts are named', () => {
  const keys = [...stateOf(make({ attention: 'additive' })).keys()]
  expect(keys).toContain('encoder.rnn.weight_ih_l0_reverse')
  expect(keys).toContain('decoder.attention.score.U_a')
  expect(keys).toContain('decoder.attentional.W_c')
  expect(keys).toContain('decoder.bridge.weight')
})

describe('the alignment', () => {
  it.each(attentionKinds.filter((kind) => kind !== 'none'))(
    '%s: one row of weights for each word',
    async (attention) => {
      const model = make({ attention })
      const { source, target } = batch()
      using seen = capture(model, 'decoder.alignment', () =>
        tidy(() => void model.decode(target, model.encode(source))),
      )
      const alignment = seen.activations.get('decoder.alignment')!
      expect(alignment.shape).toEqual([3, 5, 4])
      const rows = alignment.arraySync() as number[][][]
      for (const [b, length] of lengths.entries()) {
        for (const row of rows[b]!) {
          expect(row.slice(length).every((weight) => weight === 0)).toBe(true)
          const whole = row.reduce((sum, weight) => sum + weight, 0)
          // local windows can lie outside the sentence, and the Gaussian takes weight away
          if (attention.startsWith('local')) expect(whole).toBeLessThan(1 + 1e-5)
          else expect(whole).toBeCloseTo(1, 5)
        }
      }
    },
  )

  it('equals what the steps offer, is not there without attention, and is not edited in silence', async () => {
    const model = make({ attention: 'general' })
    const { source, target } = batch()
    const run = () => model.decode(target, model.encode(source))
    using seen = capture(model, 'decoder.**', run)
    const whole = seen.activations.get('decoder.alignment')!
    const second = seen.activations.get('decoder.attention.pattern#1')!
    await expectClose(second, narrow(whole as never, 1, 1, 2))
    expect(() => observe(model, { 'decoder.alignment': (x) => tensor(values(x), x.shape as [number]) }, run)).toThrow(
      /attention.pattern/,
    )
    const none = make({ attention: 'none' })
    expect(() => capture(none, 'decoder.alignment', () => none.decode(target, none.encode(source)))).toThrow(
      /no activation/,
    )
    seen.output.dispose()
  })

  it('has gradients at the patterns', () => {
    const model = make({ attention: 'dot', input_feeding: false })
    const { grads } = activationGrads(model, 'decoder.attention.pattern', () => model.loss(batch()))
    const grad = grads.get('decoder.attention.pattern')!
    expect(grad.shape).toEqual([3, 5, 4])
    expect(values(grad).some((g) => g !== 0)).toBe(true)
  })
})

it('the context of the first step of local-m looks around position 0, later ones further on', () => {
  const model = make({ attention: 'local-m', local_window: 1 })
  const { source, target } = batch()
  using seen = capture(model, 'decoder.alignment', () => tidy(() => void model.decode(target, model.encode(source))))
  const [row] = seen.activations.get('decoder.alignment')!.arraySync() as number[][][]
  const where = row!.map((weights) => weights.flatMap((w, s) => (w > 0 ? [s] : [])))
  expect(where).toEqual([[0, 1], [0, 1, 2], [1, 2, 3], [2, 3], [3]])
})

it('hard attention draws while training and learns where to look by its reward', () => {
  const model = make({ attention: 'hard' })
  const loss = (seed: number) => values(training(model, new Rng(seed), () => model.loss(batch())))[0]
  expect(loss(1)).toBe(loss(1))
  expect(new Set([1, 2, 3, 4].map(loss)).size).toBeGreaterThan(1)
  const { grads } = valueAndGrads(model, () => training(model, new Rng(1), () => model.loss(batch())))
  expect(values(grads.get('decoder.attention.score.W_general')!).some((g) => g !== 0)).toBe(true)
})

it('beam search and greedy decoding drive it, rows by rows', async () => {
  const model = make({ attention: 'general', num_layers: 2 })
  const { source } = batch()
  for (const numBeams of [1, 3]) {
    const options = { maxNewTokens: 6, eosIds: 2, padId: 0, numBeams }
    const { rows } = await generate(model, { source, start: 1 }, options)
    const uncached = await generate(model, { source, start: 1 }, { ...options, useCache: false })
    expect(uncached.rows.map((r) => r.ids)).toEqual(rows.map((r) => r.ids))
    for (const [row, length] of lengths.entries()) {
      const alone = { ids: narrow(narrow(source.ids, 0, row, row + 1), 1, 0, length) }
      const { rows: single } = await generate(model, { source: alone, start: 1 }, options)
      expect(single[0]!.ids).toEqual(rows[row]!.ids)
    }
  }
})

it('refuses options without effect', () => {
  expect(() => new RecurrentSeq2Seq({ ...small, hidden_size: 7 })).toThrow(/even/)
  expect(() => new RecurrentSeq2Seq({ ...small, attention: 'none', input_feeding: true })).toThrow(
    /no attention to feed/,
  )
  expect(() => new RecurrentSeq2Seq({ ...small, attention: 'dot', local_window: 3 })).toThrow(/local_window/)
  expect(() => new RecurrentSeq2Seq({ ...small, attention: 'dot', attention_size: 3 })).toThrow(/attention_size/)
  expect(() => new RecurrentSeq2Seq({ ...small, attention: 'soft' as never })).toThrow(/additive/)
  const model = make()
  const { source, target } = batch()
  const cache = model.newCache()
  cache[Symbol.dispose]()
  expect(() => model.decode(target, model.encode(source), cache)).toThrow(/disposed/)
})
