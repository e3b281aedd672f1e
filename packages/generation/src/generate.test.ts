import { type CausalInputs, capture, liveMemory, mul, observe, Rng, type Tensor, tensor } from '@filature/tensor'
import { activateBackend, expectNoLeak } from '@filature/testing'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { TinyLlama, type TinySource } from '../goldens/tiny-llama.ts'
import { generate, stream } from './generate.ts'
import type { GenerateOptions, TextStream } from './options.ts'

fc.configureGlobal({ seed: 1 })

const config = { vocab_size: 24, hidden_size: 8, num_hidden_layers: 2, num_attention_heads: 2, rms_norm_eps: 1e-6 }

/** Random weights by name. */
const source = (seed: number): TinySource => ({
  config,
  read: (name) => {
    const wide = /embed_tokens|lm_head/.test(name)
    const shape = /norm/.test(name)
      ? [8]
      : wide
        ? [24, 8]
        : /gate|up/.test(name)
          ? [12, 8]
          : /down/.test(name)
            ? [8, 12]
            : [8, 8]
    return { shape, data: new Rng(seed).fork(name).normal(shape.reduce((a, b) => a * b)) }
  },
})

/** Token v as a letter. */
const letters: () => TextStream = () => ({ push: (id) => String.fromCharCode(97 + id), end: () => '' })
const model = new TinyLlama(source(1))
const prompt = fc.array(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 5 })
const ids = async (rows: number[] | number[][], options: GenerateOptions, from = model) =>
  (await generate(from, rows, { maxNewTokens: 8, ...options })).rows.map((row) => [...row.ids])

beforeAll(async () => {
  await activateBackend('cpu')
})

describe('generate', () => {
  it('decodes with the cache what it decodes without', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(prompt, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(1, 3),
        async (rows, numBeams) => {
          expect(await ids(rows, { numBeams, useCache: false })).toEqual(await ids(rows, { numBeams }))
        },
      ),
      { numRuns: 15 },
    )
  })

  it('decodes a batch as its rows alone, greedy and by beams', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(prompt, { minLength: 2, maxLength: 4 }),
        fc.constantFrom(1, 3),
        async (rows, numBeams) => {
          const alone = await Promise.all(rows.map((row) => ids(row, { numBeams, eosIds: 7, lengthPenalty: 0 })))
          expect(await ids(rows, { numBeams, eosIds: 7, lengthPenalty: 0 })).toEqual(alone.flat())
        },
      ),
      { numRuns: 15 },
    )
  })

  it('takes a tokenizer’s batch, and ragged rows as if padded on the left', async () => {
    const batch = {
      shape: [2, 3] as const,
      ids: Int32Array.from([0, 5, 6, 1, 2, 3]),
      attentionMask: Int32Array.from([0, 1, 1, 1, 1, 1]),
    }
    const whole = await generate(model, batch, { maxNewTokens: 4 })
    expect(whole.rows.map((row) => [...row.ids])).toEqual(
      await ids(
        [
          [5, 6],
          [1, 2, 3],
        ],
        { maxNewTokens: 4 },
      ),
    )
    expect(whole.sequences.shape).toEqual([2, 7])
    expect([...whole.sequences.ids.slice(0, 3)]).toEqual([0, 5, 6])
  })

  it('ends rows by the end token and fills them with pads', async () => {
    const free = (await ids([1, 2], {}))[0]!
    const eos = free[2]!
    const first = free.indexOf(eos)
    const { rows, sequences } = await generate(model, [[1, 2]], { maxNewTokens: 8, eosIds: [eos, 99], padId: 0 })
    expect(rows[0]).toMatchObject({ ids: free.slice(0, first + 1), finish: 'eos' })
    expect(sequences.shape).toEqual([1, 2 + first + 1])
    expect((await generate(model, [1, 2], { maxNewTokens: 8 })).rows[0]!.finish).toBe('length')
    expect((await generate(model, [1, 2], { maxLength: 5 })).rows[0]!.ids).toHaveLength(3)
  })

  it('keeps a row going while another has ended', async () => {
    const rows = [
      [1, 2],
      [3, 4],
      [9, 9],
    ]
    const free = await ids(rows, {})
    const eos = free[0]![1]!
    const until = (row: number[]) => (row.includes(eos) ? row.slice(0, row.indexOf(eos) + 1) : row)
    expect(await ids(rows, { eosIds: eos, padId: 0 })).toEqual(free.map(until))
  })

  it('ends by stop strings across tokens, and by stop sequences', async () => {
    const free = (await ids([1, 2], {}))[0]!
    const text = free.map((id) => String.fromCharCode(97 + id)).join('')
    const stop = text.slice(2, 4)
    const at = text.indexOf(stop)
    const stopped = await generate(model, [1, 2], { maxNewTokens: 8, text: letters, stopStrings: [stop] })
    expect(stopped.rows[0]).toMatchObject({ text: text.slice(0, at), finish: 'stop', ids: free.slice(0, at + 2) })
    const byIds = await generate(model, [1, 2], { maxNewTokens: 8, text: letters, stopSequences: [free.slice(2, 4)] })
    expect(byIds.rows[0]).toMatchObject({ text: text.slice(0, at + 2), finish: 'stop' })
  })

  it('draws the same from the same seed, row by row, and other tokens from another', async () => {
    const options = { sample: true, temperature: 2, maxNewTokens: 12 }
    const one = await ids(
      [
        [1, 2],
        [1, 2],
      ],
      { ...options, rng: 5 },
    )
    expect(
      await ids(
        [
          [1, 2],
          [1, 2],
        ],
        { ...options, rng: new Rng(5) },
      ),
    ).toEqual(one)
    expect(one[0]).not.toEqual(one[1])
    expect(await ids([1, 2], { ...options, rng: 6 })).not.toEqual([one[0]])
    expect(await ids([1, 2], { ...options, rng: 5, topK: 1 })).toEqual(await ids([1, 2], { maxNewTokens: 12 }))
  })

  it('draws tokens as often as they are probable', async () => {
    const scores = (await generate(model, [3], { maxNewTokens: 1, returnScores: true })).scores![0]!
    const max = Math.max(...scores)
    const sum = scores.reduce((total, score) => total + Math.exp(score - max), 0)
    const draws = 4000
    const rows = Array.from({ length: draws }, () => [3])
    const counts = new Float64Array(24)
    for (const [id] of await ids(rows, { maxNewTokens: 1, sample: true, rng: 3 })) counts[id!]!++
    for (const [id, score] of scores.entries()) {
      const p = Math.exp(score - max) / sum
      expect(Math.abs(counts[id]! - draws * p)).toBeLessThan(4.5 * Math.sqrt(draws * p * (1 - p)) + 1)
    }
  })

  it('heeds edits and captures around every forward pass, and the scope of the call', async () => {
    class Tapped extends TinyLlama {
      override logits(inputs: CausalInputs) {
        return this.tap('scores', super.logits(inputs))
      }
    }
    const tapped = new Tapped(source(1))
    const options = { maxNewTokens: 4, returnScores: true }
    const negate = { scores: (x: Tensor) => mul(x, tensor([-1])) }
    const lengths: number[] = []
    const run = <T>(forward: () => T): T => {
      using captured = capture(tapped, 'scores', () => observe(tapped, negate, forward))
      lengths.push(captured.activations.get('scores')!.shape[1]!)
      return captured.output
    }
    const plain = await generate(tapped, [1, 2], options)
    const edited = await generate(tapped, [1, 2], { ...options, run })
    expect(edited.scores![0]).toEqual(plain.scores![0]!.map((score) => -score))
    expect(lengths).toEqual([2, 1, 1, 1])
    const [scoped] = observe(tapped, negate, () => [generate(tapped, [1, 2], options)])
    expect(await scoped).toEqual(edited)
  })

  it('refuses what cannot be meant', async () => {
    const refused = (options: GenerateOptions, code: string, rows: number[] | number[][] = [1]) =>
      expect(generate(model, rows, options)).rejects.toMatchObject({ code })
    await refused({}, 'generation-option')
    await refused({ maxLength: 1 }, 'generation-option')
    await refused({ maxNewTokens: 0 }, 'generation-option')
    await refused({ maxNewTokens: 1, sample: true }, 'generation-option')
    await refused({ maxNewTokens: 1, numReturnSequences: 2 }, 'generation-option')
    await refused({ maxNewTokens: 1, stopStrings: ['x'] }, 'generation-option')
    await refused({ maxNewTokens: 1, numBeams: 2, sample: true, rng: 1 }, 'generation-option')
    for (const sampling of [
      { topP: Number.NaN },
      { minP: Number.NaN },
      { typicalP: Number.NaN },
      { topK: Number.NaN },
    ]) {
      await refused({ maxNewTokens: 1, sample: true, rng: 1, ...sampling }, 'generation-option')
    }
    await refused({ maxNewTokens: 1, minLength: Number.NaN, eosIds: 2 }, 'generation-option')
    await refused({ maxNewTokens: 1, numBeams: 2, lengthPenalty: Number.NaN }, 'generation-option')
    await refused({ maxNewTokens: 1, numBeams: 2, earlyStopping: 'Never' as 'never' }, 'generation-option')
    await refused({ maxNewTokens: 1 }, 'prompt-id', [1, 2.5])
    await refused({ maxNewTokens: 1 }, 'prompt-id', [[1], [2, undefined as unknown as number]])
    await refused({ maxNewTokens: 1 }, 'empty-prompt', [])
    await refused({ maxNewTokens: 1 }, 'empty-prompt', [[1], []])
    const right = { shape: [1, 2] as const, ids: Int32Array.from([1, 0]), attentionMask: Int32Array.from([1, 0]) }
    await expect(generate(model, right, { maxNewTokens: 1 })).rejects.toMatchObject({ code: 'right-padding' })
  })

  it('begins behind a forced first token', async () => {
    const [plain] = await ids([1], { forcedBosId: 5 })
    const [row] = await ids([1], { forcedBosId: 5, beginSuppressIds: [5, plain![1]!] })
    expect(row![0]).toBe(5) // as in the reference, the first token that is chosen is the one restricted
    expect(row![1]).not.toBe(plain![1])
    const [chosen] = await ids([1, 1], { forcedBosId: 5 }) // behind a longer prompt nothing is forced
    expect((await ids([1, 1], { forcedBosId: 5, beginSuppressIds: [chosen![0]!] }))[0]![0]).not.toBe(chosen![0])
  })

  it('refuses to go on where every token is removed, greedy or drawn', async () => {
    const suppressIds = Array.from({ length: 24 }, (_, id) => id)
    for (const options of [{}, { sample: true, rng: 1 }]) {
      await expect(ids([1], { suppressIds, ...options })).rejects.toThrow(
        expect.objectContaining({ code: 'scores-not-finite' }),
      )
    }
  })

  it('says so when scores are not numbers, and leaves nothing behind', async () => {
    const broken = new TinyLlama({
      config,
      read: () => ({ shape: [24, 8], data: new Float64Array(192).fill(Number.NaN) }),
    })
    const before = liveMemory().tensors
    await expect(ids([1], {}, broken)).rejects.toMatchObject({ code: 'scores-not-finite' })
    await expect(ids([1], { numBeams: 2 }, broken)).rejects.toMatchObject({ code: 'scores-not-finite' })
    expect(liveMemory().tensors).toBe(before)
  })

  it('leaks nothing', async () => {
    const options = { maxNewTokens: 5, eosIds: 3 }
    await expectNoLeak(() => generate(model, [[1, 2], [3]], options))
    await expectNoLeak(() => generate(model, [[1, 2], [3]], { ...options, numBeams: 3 }))
  })
})

describe('stream', () => {
  it('gives the tokens and texts of generate, one by one', async () => {
    const options = { maxNewTokens: 6, text: letters, stopStrings: ['zz'] }
    const whole = await generate(model, [[1, 2], [5]], options)
    const tokens: number[][] = [[], []]
    const texts = ['', '']
    for await (const step of stream(model, [[1, 2], [5]], options)) {
      for (const row of [0, 1]) {
        tokens[row]!.push(step.tokens[row]!)
        texts[row] += step.text![row]!
      }
    }
    expect(tokens).toEqual(whole.rows.map((row) => [...row.ids]))
    expect(texts).toEqual(whole.rows.map((row) => row.text))
  })

  it('frees everything when the loop is left, the signal aborts, or it is never begun', async () => {
    const before = liveMemory().tensors
    stream(model, [1], { maxNewTokens: 9 })
    for await (const step of stream(model, [1], { maxNewTokens: 9 })) if (step.index === 2) break
    expect(liveMemory().tensors).toBe(before)
    const abort = new AbortController()
    const steps: number[] = []
    const reading = (async () => {
      for await (const { index } of stream(model, [1], { maxNewTokens: 9, signal: abort.signal })) {
        steps.push(index)
        if (index === 3) abort.abort(new Error('enough'))
      }
    })()
    await expect(reading).rejects.toThrow('enough')
    expect(steps).toEqual([0, 1, 2, 3])
    expect(liveMemory().tensors).toBe(before)
    await expect(generate(model, [1], { maxNewTokens: 2, signal: AbortSignal.abort() })).rejects.toThrow(/abort/)
  })

  it('refuses beams, and bad options at once', () => {
    expect(() => stream(model, [1], { maxNewTokens: 2, numBeams: 2 })).toThrow(
      expect.objectContaining({ code: 'stream-beams' }),
    )
    expect(() => stream(model, [1], {})).toThrow(expect.objectContaining({ code: 'generation-option' }))
  })
})
