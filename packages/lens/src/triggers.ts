import { type Corpus, longest, type MemoryModel, requireCount } from './memory-model.ts'
import { sweep } from './sweep.ts'

/** A prefix that a key answers to: the tokens 0 ... position of a sentence. */
export interface Trigger {
  readonly sentence: number
  readonly position: number
  /** What triggers are ranked by: the key's value before the activation, or the coefficient. */
  readonly score: number
  /** After the activation; greater than 0. */
  readonly coefficient: number
  /** The token behind the prefix. */
  readonly nextToken: number
}

/** By layer and key: its best triggers, best first. */
export type Triggers = readonly (readonly (readonly Trigger[])[])[]

export interface TriggerOptions {
  /** Triggers for each key (25, as in the paper). */
  topK?: number
  /** Only the best prefix of each sentence counts, as in the paper's own code. */
  perSentence?: boolean
  batchSize?: number
}

const before = (a: Trigger, b: Trigger) =>
  a.score !== b.score
    ? a.score > b.score
    : a.sentence !== b.sentence
      ? a.sentence < b.sentence
      : a.position < b.position

function insert(list: Trigger[], trigger: Trigger, topK: number): void {
  if (list.length === topK && !before(trigger, list[topK - 1]!)) return
  let at = list.length
  while (at > 0 && before(trigger, list[at - 1]!)) at--
  list.splice(at, 0, trigger)
  if (list.length > topK) list.pop()
}

/**
 * The prefixes that excite each key most (Geva et al. 2021, section 3.1), among those with a positive coefficient and a
 * token behind them. Ties go to the lower sentence, then to the lower position.
 */
export async function findTriggers(lens: MemoryModel, corpus: Corpus, options: TriggerOptions = {}): Promise<Triggers> {
  const { topK = 25, perSentence = false, batchSize } = options
  longest(corpus)
  requireCount('findTriggers', 'topK', topK)
  const found: Trigger[][][] = lens.layers.map(() => [])
  const paths = lens.layers.flatMap(({ memory, pre }) => (pre ? [memory, pre] : [memory]))
  for await (const { first, lengths, width, taps } of sweep(lens, corpus, paths, { batchSize, keep: paths })) {
    lens.layers.forEach(({ memory, pre }, layer) => {
      const coefficients = taps.get(memory)!
      const scores = pre ? taps.get(pre)! : coefficients
      const F = coefficients.length / (lengths.length * width)
      if (found[layer]!.length === 0) found[layer] = Array.from({ length: F }, () => [])
      lengths.forEach((length, row) => {
        for (let key = 0; key < F; key++) {
          let best: Trigger | undefined
          for (let position = 0; position < length - 1; position++) {
            const at = (row * width + position) * F + key
            const coefficient = coefficients[at]!
            if (!(coefficient > 0)) continue
            const sentence = first + row
            const trigger = {
              sentence,
              position,
              score: scores[at]!,
              coefficient,
              nextToken: corpus[sentence]![position + 1]!,
            }
            if (!perSentence) insert(found[layer]![key]!, trigger, topK)
            else if (!best || before(trigger, best)) best = trigger
          }
          if (best) insert(found[layer]![key]!, best, topK)
        }
      })
    })
  }
  return found
}

export interface Truncation {
  /** Coefficient of each key at the end of its best trigger without the prefix's first token; 0 where there is none. */
  readonly withoutFirst: Float32Array
  /** The same without its last token. */
  readonly withoutLast: Float32Array
}

/**
 * What is left of a key's answer when its best trigger loses its first or its last token: shallow patterns hang on the
 * last one (section 3.3). By layer.
 */
export async function truncateTriggers(
  lens: MemoryModel,
  corpus: Corpus,
  triggers: Triggers,
  { batchSize }: { batchSize?: number } = {},
): Promise<Truncation[]> {
  const out: Truncation[] = []
  for (const [layer, keys] of triggers.entries()) {
    const { memory } = lens.layers[layer]!
    const [withoutFirst, withoutLast] = [new Float32Array(keys.length), new Float32Array(keys.length)]
    for (const [target, cut] of [
      [withoutFirst, (prefix: number[]) => prefix.slice(1)],
      [withoutLast, (prefix: number[]) => prefix.slice(0, -1)],
    ] as const) {
      const asked = keys.flatMap((list, key) => {
        const best = list[0]
        const prefix = best ? cut(Array.from(corpus[best.sentence]!).slice(0, best.position + 1)) : []
        return prefix.length ? [{ key, prefix }] : []
      })
      if (asked.length === 0) continue
      const prefixes = asked.map(({ prefix }) => prefix)
      for await (const { first, lengths, width, taps } of sweep(lens, prefixes, [memory], {
        batchSize,
        keep: [memory],
      })) {
        const coefficients = taps.get(memory)!
        lengths.forEach((length, row) => {
          const { key } = asked[first + row]!
          target[key] = coefficients[(row * width + length - 1) * keys.length + key]!
        })
      }
    }
    out.push({ withoutFirst, withoutLast })
  }
  return out
}
