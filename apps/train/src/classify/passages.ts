import { type Rng, type Tensor1D, type Tensor2D, tensor } from '@filature/tensor'
import type { Tokenizer } from '@filature/tokenizers'
import type { ClassificationBatch } from '@filature/transformer'
import { kindNames, kindOf, type Sample } from '../bert/brown.ts'
import { encodePlain, joinPair, padTo } from '../bert/words.ts'

/** A few sentences in a row and the kind of prose they come from. */
export interface Passage {
  readonly ids: readonly number[]
  readonly kind: number
}

/** Passages of about `length` tokens, sentences whole, each sentence once. */
export function passagesOf(tokenizer: Tokenizer, samples: readonly Sample[], length: number): Passage[] {
  return samples.flatMap(({ genre, sentences }) => {
    const kind = kindOf(genre)
    const passages: Passage[] = []
    let row: number[] = []
    for (const sentence of sentences) {
      row.push(...encodePlain(tokenizer, sentence))
      if (row.length < length - 2) continue
      passages.push({ ids: row, kind })
      row = []
    }
    return passages
  })
}

/** `count` passages, as many of each kind as of every other. */
export function balanced(passages: readonly Passage[], count: number, rng: Rng): Passage[] {
  const order = rng.permutation(passages.length)
  const left = kindNames.map(() => Math.ceil(count / kindNames.length))
  const chosen: Passage[] = []
  for (const index of order) {
    const passage = passages[index]!
    if (chosen.length < count && left[passage.kind]! > 0) {
      left[passage.kind]!--
      chosen.push(passage)
    }
  }
  return chosen
}

/** The passages as tensors, made in the surrounding tidy. */
export function passageTensors(passages: readonly Passage[], length: number): ClassificationBatch {
  const rows = passages.map(({ ids }) => joinPair(ids, undefined, length).ids)
  const shape: [number, number] = [rows.length, length]
  const of = (values: Int32Array) => tensor(values, shape, 'int32') as Tensor2D
  return {
    ids: of(padTo(rows, length, 0)),
    attentionMask: of(
      padTo(
        rows.map((row) => row.map(() => 1)),
        length,
        0,
      ),
    ),
    labels: tensor(
      passages.map(({ kind }) => kind),
      [rows.length],
      'int32',
    ) as Tensor1D,
  }
}
