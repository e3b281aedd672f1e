import { argMax, crossEntropy, tidy } from '@filature/tensor'
import type { BertForPreTraining } from '@filature/transformer'
import { pairTensors, type SentencePairs } from './pairs.ts'

export interface BertMetrics {
  /** Masked words and next sentences together, as trained. */
  readonly loss: number
  /** Part of the masked words that are named right, and of the pairs. */
  readonly words: number
  readonly pairs: number
  readonly [name: string]: number
}

/** Over the first `batches` of held-out pairs, the same ones each time. */
export async function evaluateBert(
  model: BertForPreTraining,
  data: SentencePairs,
  batches: number,
): Promise<BertMetrics> {
  data.seek({ epoch: 0, batch: 0 })
  const sums = { loss: 0, words: 0, masked: 0, pairs: 0, rows: 0 }
  for (let n = 0; n < batches; n++) {
    const batch = data.next()
    const [loss, words, pairs] = tidy(() => {
      const { labels, nextSentenceLabels, ...inputs } = pairTensors(batch)
      const scores = model.scores(inputs)
      const of = [crossEntropy(scores.words, labels), crossEntropy(scores.next, nextSentenceLabels)] as const
      return [of, argMax(scores.words, -1), argMax(scores.next, -1)] as const
    })
    const [masked, next] = [await loss[0].data(), await loss[1].data()]
    const [named, paired] = [await words.data(), await pairs.data()]
    for (const x of [...loss, words, pairs]) x.dispose()
    sums.loss += masked[0]! + next[0]!
    batch.labels.forEach((label, i) => {
      if (label === -100) return
      sums.masked++
      if (named[i] === label) sums.words++
    })
    batch.next.forEach((label, i) => {
      sums.rows++
      if (paired[i] === label) sums.pairs++
    })
  }
  return { loss: sums.loss / batches, words: sums.words / sums.masked, pairs: sums.pairs / sums.rows }
}
