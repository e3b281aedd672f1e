import {
  cpu,
  full,
  init,
  liveMemory,
  narrow,
  parametersOf,
  Rng,
  reshape,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
  valueAndGrads,
} from '@filature/tensor'
import { expectNoLeak } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  bitsPerCharacter,
  type CharConfig,
  CharLSTM,
  type CharModel,
  CharRNN,
  type CharState,
  CharVocabulary,
  describeCharModel,
  generateIds,
  nextCharacterLoss,
} from '../index.ts'

const text = 'to be, or not to be: that is the question. \u{1f9f5}é'
const vocabulary = CharVocabulary.of(text)
const V = vocabulary.size
const models: [string, () => CharModel][] = [
  ['CharRNN', () => init(new CharRNN({ vocab_size: V, hidden_size: 5 }), new Rng(1))],
  [
    'CharLSTM',
    () => init(new CharLSTM({ vocab_size: V, embedding_size: 4, hidden_size: 5, num_layers: 2 }), new Rng(1)),
  ],
]
const time = (text: string) => {
  const ids = vocabulary.encode(text)
  return tensor(ids, [ids.length, 1], 'int32') as Tensor2D
}
const collect = async (model: CharModel, options: Partial<Parameters<typeof generateIds>[1]> = {}) => {
  const ids: number[] = []
  const all = { prompt: vocabulary.encode('to '), length: 12, rng: new Rng(4), ...options }
  for await (const id of generateIds(model, all)) ids.push(id)
  return ids
}

beforeAll(async () => {
  await useBackend(cpu())
})

describe('CharVocabulary', () => {
  it('sorts characters and takes each back', () => {
    expect(vocabulary.characters[0]).toBe(' ')
    expect(vocabulary.characters.at(-1)).toBe('\u{1f9f5}')
    expect(vocabulary.decode(vocabulary.encode(text))).toBe(text)
    expect(() => vocabulary.encode('xyz')).toThrow(/has never seen "x" "y" "z"/)
    expect(() => new CharVocabulary(['a', 'a'])).toThrow(/different single characters/)
    expect(() => new CharVocabulary(['ab'])).toThrow(/different single characters/)
  })
})

it('the classic network starts as it should: deviation 0.01, zero biases', () => {
  const { Wxh, Whh, Why, bh, by } = init(new CharRNN({ vocab_size: 60 }), new Rng(3))
  expect([Wxh, Whh, Why, bh, by].map((p) => p.shape)).toEqual([
    [100, 60],
    [100, 100],
    [60, 100],
    [100, 1],
    [60, 1],
  ])
  const w = [...Whh.value.dataSync()]
  expect(Math.sqrt(w.reduce((a, x) => a + x * x, 0) / w.length)).toBeCloseTo(0.01, 3)
  expect([...bh.value.dataSync(), ...by.value.dataSync()].every((x) => x === 0)).toBe(true)
})

describe.each(models)('%s', (_, make) => {
  it('reads a text in parts as it reads it whole', () => {
    const model = make()
    const whole = model.read(time('to be'))
    const first = model.read(time('to '))
    const second = model.read(time('be'), first.state)
    const end = [...narrow(whole.logits, 0, 3, 5).dataSync()]
    second.logits.dataSync().forEach((x, i) => void expect(x).toBeCloseTo(end[i]!, 5))
  })

  it('sums and averages the same loss', () => {
    const model = make()
    const ids = { inputs: time('to be'), targets: time('o be,') }
    const mean = nextCharacterLoss(model, ids).loss.dataSync()[0]!
    const sum = nextCharacterLoss(model, ids, undefined, 'sum').loss.dataSync()[0]!
    expect(sum).toBeCloseTo(5 * mean, 5)
  })

  it('writes the same with the same seed, another text with another, the likeliest at temperature 0', async () => {
    const model = make()
    expect(await collect(model)).toEqual(await collect(model))
    expect(await collect(model)).not.toEqual(await collect(model, { rng: new Rng(5) }))
    const greedy = await collect(model, { temperature: 0, length: 3 })
    expect(await collect(model, { temperature: 1e-6, length: 3 })).toEqual(greedy)
    const logits = [...reshape(narrow(model.read(time('to ')).logits, 0, 2, 3), [V]).dataSync()]
    expect(greedy[0]).toBe(logits.indexOf(Math.max(...logits)))
    await expect(collect(model, { prompt: [] })).rejects.toThrow(/at least one character/)
    await expect(collect(model, { temperature: -1 })).rejects.toThrow(/temperature/)
  })

  it('draws each character as often as softmax says', async () => {
    const model = make()
    const logits = [...reshape(narrow(model.read(time('to ')).logits, 0, 2, 3), [V]).dataSync()]
    const temperature = 0.5
    const weights = logits.map((x) => Math.exp(x / temperature))
    const total = weights.reduce((a, w) => a + w, 0)
    const counts = new Array<number>(V).fill(0)
    const rng = new Rng(8)
    for (let n = 0; n < 1500; n++) counts[(await collect(model, { length: 1, temperature, rng }))[0]!]!++
    const chi = counts.reduce(
      (a, n, i) => a + (n - (1500 * weights[i]!) / total) ** 2 / ((1500 * weights[i]!) / total),
      0,
    )
    expect(chi).toBeLessThan(V + 6 * Math.sqrt(2 * V))
  })

  it('goes on from a state, which stays alive, and frees its own, also when left early', async () => {
    const model = make()
    const before = liveMemory()
    const kept = tidy(() => model.read(time('to '))).state
    const read: CharState = kept
    const on = await collect(model, { prompt: vocabulary.encode('b'), state: read, temperature: 0 })
    const whole = await collect(model, { prompt: vocabulary.encode('to b'), temperature: 0 })
    expect(on).toEqual(whole)
    for await (const _ of generateIds(model, { prompt: [0], length: 50, rng: new Rng(1), state: read })) break
    for (const x of Object.values(read)) x.dispose()
    expect(liveMemory().tensors).toBe(before.tensors + 1) // the logits that tidy gave back with the state
  })

  it('measures bits per character by its own loss, in any number of streams', async () => {
    const model = make()
    const ids = vocabulary.encode(text.slice(0, 21))
    const targets = { inputs: time(text.slice(0, 20)), targets: time(text.slice(1, 21)) }
    const bits = nextCharacterLoss(model, targets).loss.dataSync()[0]! / Math.LN2
    expect(await bitsPerCharacter(model, ids, { streams: 1 })).toBeCloseTo(bits, 5)
    expect(await bitsPerCharacter(model, ids, { streams: 1, length: 3 })).toBeCloseTo(bits, 5)
    expect(await bitsPerCharacter(model, ids, { streams: 2, length: 7 })).toBeGreaterThan(0)
    await expect(bitsPerCharacter(model, ids.subarray(0, 1))).rejects.toThrow(/at least 2/)
  })

  it('refuses counts that are none, ids beyond the vocabulary, and scores that are no numbers', async () => {
    const model = make()
    const ids = vocabulary.encode('to be, or not to be')
    for (const sizes of [{ length: 0 }, { length: 1.5 }, { streams: 0 }, { streams: Number.NaN }]) {
      await expect(bitsPerCharacter(model, ids, sizes)).rejects.toThrow(
        expect.objectContaining({ code: 'evaluate-option' }),
      )
    }
    const first = (options: object) =>
      generateIds(model, { prompt: [1], length: 2, rng: new Rng(1), ...options }).next()
    await expect(first({ length: Number.NaN })).rejects.toThrow(expect.objectContaining({ code: 'generate-length' }))
    for (const id of [V, -1, 0.5]) {
      await expect(first({ prompt: [0, id] })).rejects.toThrow(expect.objectContaining({ code: 'generate-prompt' }))
    }
    for (const [, parameter] of parametersOf(model)) tidy(() => parameter.assign(full(parameter.shape, Number.NaN)))
    const before = liveMemory().tensors
    for (const temperature of [0, 1]) {
      await expect(first({ temperature })).rejects.toThrow(expect.objectContaining({ code: 'scores-not-finite' }))
    }
    expect(liveMemory().tensors).toBe(before)
    model[Symbol.dispose]()
  })

  it('leaks nothing', async () => {
    const model = make()
    const ids = vocabulary.encode(text)
    await expectNoLeak(async () => {
      await collect(model)
      await bitsPerCharacter(model, ids, { length: 4 })
      tidy(() => {
        const batch = { inputs: time('to be'), targets: time('o be,') }
        valueAndGrads(model, () => nextCharacterLoss(model, batch).loss)
      })
    })
    model[Symbol.dispose]()
  })
})

describe('describeCharModel', () => {
  const rnn: CharConfig = { model_type: 'char_rnn', vocabulary: ['a', 'b'], hidden_size: 3 }

  it('builds what the configuration says', () => {
    expect(describeCharModel(rnn).model).toBeInstanceOf(CharRNN)
    const lstm = { ...rnn, model_type: 'char_lstm', embedding_size: 2, num_layers: 1, dropout: 0 } as const
    expect(describeCharModel(lstm).model).toBeInstanceOf(CharLSTM)
  })

  it('refuses one that says nothing it knows', () => {
    const broken = (change: object) => () => describeCharModel({ ...rnn, ...change } as CharConfig)
    expect(broken({ model_type: 'llama' })).toThrow(/'char_rnn' or 'char_lstm', got "llama"/)
    expect(broken({ hidden_size: '3' })).toThrow(/hidden_size/)
    expect(broken({ vocabulary: 'ab' })).toThrow(/list of characters/)
  })
})
