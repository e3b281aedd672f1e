import {
  type Cache,
  type EncoderDecoderLM,
  Module,
  Rng,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor,
} from '@filature/tensor'
import { activateBackend, expectNoLeak } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { generate } from './generate.ts'

const V = 5
const EOS = 0

/** Prefixes of each row: the state that a real model would keep as keys and values. */
class Prefixes implements Cache {
  rows: number[][]
  constructor(batch: number) {
    this.rows = Array.from({ length: batch }, () => [])
  }
  get length(): number {
    return this.rows[0]!.length
  }
  layer(): never {
    throw new Error('no layers')
  }
  reorder(indices: Tensor): void {
    this.rows = Array.from(indices.dataSync(), (row) => [...this.rows[row]!])
  }
  [Symbol.dispose](): void {}
}

/** Scores that depend on the source and on every token before: a tree of random numbers. */
class Tree extends Module implements EncoderDecoderLM<number[]> {
  encode(source: number[]) {
    const memory = tensor(Float32Array.from(source), [source.length, 1, 1]) as Tensor3D
    return {
      memory,
      memoryMask: tensor(
        Int32Array.from(source, () => 1),
        [source.length, 1],
        'int32',
      ) as Tensor2D,
    }
  }

  newCache(batch: number): Prefixes {
    return new Prefixes(batch)
  }

  decode(ids: Tensor2D, { memory, memoryMask }: { memory: Tensor3D; memoryMask?: Tensor2D }, cache?: Cache): Tensor3D {
    const [rows, width] = ids.shape
    if (memory.shape[0] !== rows || memoryMask!.shape[0] !== rows) throw new Error('memory of other rows')
    const prefixes = (cache as Prefixes | undefined) ?? new Prefixes(rows)
    const out = new Float32Array(rows * width * V)
    const tokens = ids.dataSync()
    const sources = memory.dataSync()
    for (let row = 0; row < rows; row++) {
      for (let t = 0; t < width; t++) {
        prefixes.rows[row]!.push(tokens[row * width + t]!)
        out.set(scores(sources[row]!, prefixes.rows[row]!), (row * width + t) * V)
      }
    }
    return tensor(out, [rows, width, V]) as Tensor3D
  }
}

const scores = (source: number, prefix: readonly number[]) => new Rng(9).fork(`${source}:${prefix}`).normal(V, 0, 2)

function logProbs(source: number, prefix: readonly number[]): number[] {
  const own = [...scores(source, prefix)]
  const total = Math.log(own.reduce((sum, score) => sum + Math.exp(score), 0))
  return own.map((score) => score - total)
}

/** Every way to go on to an end or to `maxLength`: tokens and score. */
function everyEnding(source: number, maxLength: number, lengthPenalty: number) {
  const endings: { ids: number[]; score: number }[] = []
  const walk = (prefix: number[], sum: number): void => {
    if (prefix.length === maxLength) {
      endings.push({ ids: prefix, score: sum / prefix.length ** lengthPenalty })
      return
    }
    for (const [token, logProb] of logProbs(source, prefix).entries()) {
      // the reference does not count the end token in the length
      if (token === EOS)
        endings.push({ ids: [...prefix, EOS], score: (sum + logProb) / prefix.length ** lengthPenalty })
      else walk([...prefix, token], sum + logProb)
    }
  }
  walk([1], 0)
  return endings.sort((a, b) => b.score - a.score)
}

beforeAll(async () => {
  await activateBackend('cpu')
})

describe('generate from a source', () => {
  const tree = new Tree()

  it('starts every row from one id, and takes the likeliest token', async () => {
    const { rows } = await generate(tree, { source: [3, 4], start: 1 }, { maxLength: 6, eosIds: EOS })
    for (const [row, source] of [3, 4].entries()) {
      const prefix = [1]
      while (prefix.length < 6 && (prefix.length === 1 || prefix.at(-1) !== EOS)) {
        const next = logProbs(source, prefix)
        prefix.push(next.indexOf(Math.max(...next)))
      }
      expect(rows[row]!.ids).toEqual(prefix.slice(1))
    }
  })

  it('decodes without a cache what it decodes with one', async () => {
    const prompt = {
      source: [1, 2, 3],
      start: [
        [1, 2],
        [1, 3],
        [4, 4],
      ],
    }
    for (const numBeams of [1, 4]) {
      const cached = await generate(tree, prompt, { maxNewTokens: 5, numBeams, eosIds: EOS })
      expect(await generate(tree, prompt, { maxNewTokens: 5, numBeams, eosIds: EOS, useCache: false })).toEqual(cached)
    }
  })

  it.each([0, 1, -0.5, 2])(
    'with beams enough finds the best of all endings, length penalty %s',
    async (lengthPenalty) => {
      const options = {
        maxLength: 5,
        eosIds: EOS,
        lengthPenalty,
        earlyStopping: 'never' as const,
        numBeams: 80,
        numReturnSequences: 4,
      }
      for (const source of [1, 2, 3]) {
        const { rows } = await generate(tree, { source: [source], start: 1 }, options)
        const best = everyEnding(source, 5, lengthPenalty).slice(0, 4)
        expect(rows.map(({ ids }) => [1, ...ids])).toEqual(best.map(({ ids }) => ids))
        for (const [i, { score }] of best.entries()) expect(rows[i]!.score).toBeCloseTo(score, 4)
      }
    },
  )

  it('stops early when told to, with hypotheses that are no better', async () => {
    const beams = { maxLength: 9, eosIds: EOS, numBeams: 3, lengthPenalty: 1 }
    for (const source of [1, 2, 3, 4, 5]) {
      const prompt = { source: [source], start: 1 }
      const [early, usual, never] = await Promise.all(
        [true, false, 'never' as const].map((earlyStopping) => generate(tree, prompt, { ...beams, earlyStopping })),
      )
      expect(usual!.rows[0]!.score!).toBeGreaterThanOrEqual(early!.rows[0]!.score!)
      expect(never!.rows[0]!.score!).toBeGreaterThanOrEqual(usual!.rows[0]!.score!)
    }
  })

  it('refuses starts of other rows than the source has', async () => {
    const generating = generate(tree, { source: [1, 2], start: [[1]] }, { maxNewTokens: 1 })
    await expect(generating).rejects.toMatchObject({ code: 'prompt-shape' })
    for (const wrong of [1.5, -1, [[Number.NaN]]]) {
      await expect(generate(tree, { source: [1], start: wrong }, { maxNewTokens: 1 })).rejects.toMatchObject({
        code: 'prompt-id',
      })
    }
    await expect(generate(tree, { source: [1], start: [[1], [1, 2]] }, { maxNewTokens: 1 })).rejects.toMatchObject({
      code: 'prompt-shape',
    })
  })

  it('leaks nothing, whether it ends well or not', async () => {
    await expectNoLeak(() => generate(tree, { source: [1, 2], start: 1 }, { maxNewTokens: 5, numBeams: 3 }))
    await expectNoLeak(() =>
      expect(generate(tree, { source: [1, 2], start: [[1]] }, { maxNewTokens: 5 })).rejects.toThrow(/start/),
    )
  })
})
