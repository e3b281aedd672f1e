import { add, crossEntropy, embedding, reshape, type Scalar, type Tensor3D, tensor } from '@filature/tensor'
import type { BertForPreTraining } from '@filature/transformer'
import { type PairBatch, pairTensors } from './pairs.ts'

/**
 * The model's own loss of masked words and next sentences, scoring the vocabulary where a word is to be named alone: of
 * 100 tokens some 30, and the scores of the others would count for nothing.
 */
export function pairLoss(model: BertForPreTraining, pairs: PairBatch): Scalar {
  const places = Int32Array.from(pairs.labels.keys()).filter((i) => pairs.labels[i] !== -100)
  const { labels, nextSentenceLabels, ...inputs } = pairTensors(pairs)
  if (places.length === 0) return model.loss({ labels, nextSentenceLabels, ...inputs })
  const { states, pooled } = model.bert.pooled(inputs) // (B, T, C), (B, C)
  const rows = embedding(reshape(states, [-1, states.shape[2]]), tensor(places, [places.length], 'int32')) // (N, C)
  const words = model.cls.predictions.forward(reshape(rows, [1, places.length, -1]) as Tensor3D) // (1, N, V)
  const named = Int32Array.from(places, (i) => pairs.labels[i]!)
  return add(
    crossEntropy(words, tensor(named, [1, places.length], 'int32')),
    crossEntropy(model.cls.seq_relationship.forward(pooled), nextSentenceLabels),
  ) as Scalar
}
