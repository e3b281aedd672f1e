import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LogitsProcessor } from './logits-processor.ts'
import {
  badWords,
  forcedBos,
  forcedEos,
  minNewTokens,
  noRepeatNgram,
  repetitionPenalty,
  suppress,
  suppressAtBegin,
} from './processors.ts'
import { minP, temperature, topK, topP, typicalP } from './warpers.ts'

fc.configureGlobal({ seed: 1 })

const run = (process: LogitsProcessor, scores: ArrayLike<number>, ids: number[] = [], promptLength = ids.length) => {
  const out = Float32Array.from(scores)
  process(out, { ids: Int32Array.from(ids), promptLength })
  return [...out]
}
const removed = (scores: number[]) => scores.flatMap((score, i) => (score === -Infinity ? [i] : []))
const logits = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 30 })
const softmax = (scores: number[]) => {
  const exps = scores.map((score) => Math.exp(score))
  const sum = exps.reduce((a, b) => a + b, 0)
  return exps.map((e) => e / sum)
}

describe('restrictions', () => {
  it('repetitionPenalty counts a token once, and the state of one row does not reach the next', () => {
    const process = repetitionPenalty(2)
    expect(run(process, [4, -4, 1], [0, 1, 0, 0])).toEqual([2, -8, 1])
    expect(run(process, [4, -4, 1], [0])).toEqual([2, -4, 1])
    expect(run(process, [4, -4], [1, 99])).toEqual([4, -8])
  })

  it('noRepeatNgram removes what would end a run of tokens that was there', () => {
    const slowly = (size: number, ids: number[]) => {
      const seen = new Set<string>()
      for (let i = 0; i + size <= ids.length; i++) seen.add(ids.slice(i, i + size).join())
      return [0, 1, 2].filter(
        (id) => ids.length + 1 >= size && seen.has([...ids.slice(ids.length + 1 - size), id].join()),
      )
    }
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        (ids, size) => {
          expect(removed(run(noRepeatNgram(size), [0, 0, 0], ids))).toEqual(slowly(size, ids))
        },
      ),
    )
  })

  it('suppressAtBegin passes over tokens that are forced', () => {
    expect(removed(run(suppressAtBegin([1]), [0, 0], [5], 1))).toEqual([1])
    expect(removed(run(suppressAtBegin([1], 1), [0, 0], [5], 1))).toEqual([])
    expect(removed(run(suppressAtBegin([1], 1), [0, 0], [5, 0], 1))).toEqual([1])
  })

  it('refuses ids and lengths that are none', () => {
    const code = expect.objectContaining({ code: 'generation-option' })
    expect(() => badWords([[1, -1]])).toThrow(code)
    expect(() => forcedBos(-1)).toThrow(code)
    expect(() => forcedEos(5, [0.5])).toThrow(code)
    expect(() => minNewTokens(Number.NaN, [1])).toThrow(code)
  })

  it('badWords removes the token that would end one', () => {
    const process = badWords([[3], [0, 1, 2]])
    expect(removed(run(process, [0, 0, 0, 0], [0, 1]))).toEqual([2, 3])
    expect(removed(run(process, [0, 0, 0, 0], [1, 1]))).toEqual([3])
    expect(removed(run(process, [0, 0, 0, 0], []))).toEqual([3])
  })

  it('minNewTokens counts behind the prompt, suppressAtBegin only there', () => {
    expect(removed(run(minNewTokens(2, [1]), [0, 0], [5, 5, 5], 2))).toEqual([1])
    expect(removed(run(minNewTokens(2, [1]), [0, 0], [5, 5, 5, 5], 2))).toEqual([])
    expect(removed(run(suppressAtBegin([0]), [0, 0], [5, 5], 2))).toEqual([0])
    expect(removed(run(suppressAtBegin([0]), [0, 0], [5, 5, 5], 2))).toEqual([])
    expect(removed(run(suppress([0, 1]), [0, 0, 0]))).toEqual([0, 1])
  })

  it('forces the first and the last token', () => {
    expect(run(forcedBos(2), [1, 2, 3], [9])).toEqual([-Infinity, -Infinity, 0])
    expect(run(forcedBos(2), [1, 2, 3], [9, 2])).toEqual([1, 2, 3])
    expect(run(forcedEos(3, [0, 1]), [1, 2, 3], [9, 9])).toEqual([0, 0, -Infinity])
    expect(run(forcedEos(3, [0]), [1, 2, 3], [9])).toEqual([1, 2, 3])
  })

  it('refuses what cannot be meant', () => {
    for (const make of [
      () => repetitionPenalty(0),
      () => noRepeatNgram(0),
      () => suppress([-1]),
      () => badWords([[]]),
      () => temperature(0),
      () => topK(0.5),
      () => topP(1.1),
      () => minP(-1),
      () => typicalP(1),
      () => run(suppress([9]), [0, 0]),
      () => run(forcedBos(9), [0, 0], [1]),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: 'generation-option' }))
    }
  })
})

describe('shapes', () => {
  it('topK keeps the k best and ties', () => {
    expect(removed(run(topK(2), [1, 3, 2, 2, 0]))).toEqual([0, 4])
    expect(removed(run(topK(9), [1, 3]))).toEqual([])
    expect(removed(run(topK(1, 2), [1, 3, 2]))).toEqual([0])
  })

  it('topP keeps the fewest that reach p', () => {
    fc.assert(
      fc.property(logits, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (scores, p) => {
        const probabilities = softmax(scores)
        const gone = new Set(removed(run(topP(p), scores)))
        const kept = [...scores.keys()].filter((i) => !gone.has(i)).sort((a, b) => scores[a]! - scores[b]!)
        const mass = kept.reduce((sum, i) => sum + probabilities[i]!, 0)
        expect(mass).toBeGreaterThan(p - 1e-6)
        expect(mass - probabilities[kept[0]!]!).toBeLessThan(p + 1e-6)
        for (const i of gone) expect(scores[i]).toBeLessThanOrEqual(scores[kept[0]!]!)
      }),
    )
    expect(removed(run(topP(0), [1, 2, 3]))).toEqual([0, 1])
    expect(removed(run(topP(0, 2), [1, 2, 3]))).toEqual([0])
  })

  it('minP keeps what is probable enough beside the best', () => {
    fc.assert(
      fc.property(logits, fc.double({ min: 0.01, max: 1, noNaN: true }), (scores, share) => {
        const probabilities = softmax(scores)
        const best = Math.max(...probabilities)
        for (const [i, score] of run(minP(share), scores).entries()) {
          if (Math.abs(probabilities[i]! / best - share) > 1e-6)
            expect(score > -Infinity).toBe(probabilities[i]! > share * best)
        }
      }),
    )
    expect(removed(run(minP(1, 2), [1, 2, 3]))).toEqual([0])
  })

  it('typicalP keeps what surprises as much as expected', () => {
    // a sure token and many rare ones: the sure one is less surprising than the average
    const scores = [Math.log(0.4), ...new Array(6).fill(Math.log(0.1))]
    expect(removed(run(typicalP(0.3), scores))).toEqual([0])
    expect(removed(run(typicalP(0.99), scores))).toEqual([])
  })

  it('temperature divides', () => {
    expect(run(temperature(0.5), [1, -2])).toEqual([2, -4])
  })
})
