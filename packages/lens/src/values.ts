import { argMax, matMul, max, softmax, type Tensor2D, tidy } from '@filature/tensor'
import type { MemoryModel } from './memory-model.ts'
import type { Triggers } from './triggers.ts'

/** The values of one layer read in the vocabulary: softmax(E v), with no norm and no coefficient (section 4). */
export interface ReadValues {
  /** The likeliest token of each value, (F). */
  readonly argmax: Int32Array
  /** Its probability. */
  readonly maxProbability: Float32Array
  /** (F, V), flat. */
  readonly probabilities: Float32Array
  readonly vocabulary: number
}

/** By layer. */
export async function readValues(lens: MemoryModel): Promise<ReadValues[]> {
  const out: ReadValues[] = []
  for (const layer of lens.layers) {
    const [probabilities, best, likeliest] = tidy(() => {
      const p = softmax(matMul(layer.values(), lens.unembedding(), { transposeB: true })) as Tensor2D // (F, V)
      return [p, max(p, -1), argMax(p, -1)] as const
    })
    out.push({
      probabilities: (await probabilities.data()) as Float32Array,
      maxProbability: (await best.data()) as Float32Array,
      argmax: Int32Array.from(await likeliest.data()),
      vocabulary: probabilities.shape[1],
    })
    for (const x of [probabilities, best, likeliest]) x.dispose()
  }
  return out
}

/** The k likeliest tokens of one value, best first. */
export function topTokens(
  { probabilities, vocabulary }: ReadValues,
  key: number,
  k: number,
): { token: number; probability: number }[] {
  const row = probabilities.subarray(key * vocabulary, (key + 1) * vocabulary)
  return Array.from(row, (probability, token) => ({ token, probability }))
    .sort((a, b) => b.probability - a.probability || a.token - b.token)
    .slice(0, k)
}

/** How values and triggers agree in one layer (section 4.2). */
export interface Agreement {
  /** Whether the value's likeliest token is the one behind the key's best trigger. */
  readonly agrees: boolean[]
  /** Part of the keys with a trigger that agree. */
  readonly rate: number
  /** Place of the best trigger's next token in the value's distribution, from 0; -1 without a trigger. */
  readonly nextTokenRank: Int32Array
  /** How many of all triggers are followed by the value's likeliest token. */
  readonly matches: Int32Array
}

/** By layer. */
export function agreement(triggers: Triggers, values: readonly ReadValues[]): Agreement[] {
  return triggers.map((keys, layer) => {
    const { argmax, probabilities, vocabulary } = values[layer]!
    const withTrigger = keys.filter((list) => list.length > 0).length
    const agrees = keys.map((list, key) => list[0]?.nextToken === argmax[key])
    const nextTokenRank = Int32Array.from(keys, (list, key) => {
      const token = list[0]?.nextToken
      if (token === undefined) return -1
      const row = probabilities.subarray(key * vocabulary, (key + 1) * vocabulary)
      return row.reduce((above, p) => above + (p > row[token]! ? 1 : 0), 0)
    })
    const matches = Int32Array.from(keys, (list, key) => list.filter((t) => t.nextToken === argmax[key]).length)
    return { agrees, rate: withTrigger ? agrees.filter(Boolean).length / withTrigger : 0, nextTokenRank, matches }
  })
}
