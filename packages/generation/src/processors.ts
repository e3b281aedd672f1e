import { ConfigError } from '@filature/tensor'
import type { LogitsProcessor } from './logits-processor.ts'

// Restrictions and penalties, as in Hugging Face transformers 4.32 (generation/logits_process.py).

const refuse = (option: string, wanted: string, got: unknown): never => {
  throw new ConfigError('generation-option', `generation: wanted ${option} ${wanted}, got ${got}.`)
}

function requireIds(option: string, ids: readonly number[]): void {
  if (!ids.every((id) => Number.isInteger(id) && id >= 0)) refuse(option, 'to be token ids, whole numbers from 0', ids)
}

function requireLength(option: string, length: number): void {
  if (!(length >= 0)) refuse(option, 'to be a number of tokens', length)
}

/** Ids of a vocabulary, checked when the width of the scores is first known. */
function remover(option: string, ids: readonly number[]): (scores: Float32Array) => void {
  requireIds(option, ids)
  return (scores) => {
    for (const id of ids) {
      if (id >= scores.length) refuse(option, `to hold ids below the vocabulary's ${scores.length}`, id)
      scores[id] = -Infinity
    }
  }
}

/**
 * Keskar et al. 2019: the score of every token that occurs in the row, the prompt included, is divided by `penalty`
 * when positive and multiplied by it when negative, once however often the token occurs.
 */
export function repetitionPenalty(penalty: number): LogitsProcessor {
  if (!(penalty > 0)) refuse('repetitionPenalty', 'above 0', penalty)
  let seen = new Uint32Array()
  let visit = 0
  return (scores, { ids }) => {
    if (seen.length !== scores.length) {
      seen = new Uint32Array(scores.length)
      visit = 0
    }
    visit++
    for (const id of ids) {
      if (id < 0 || id >= scores.length || seen[id] === visit) continue
      seen[id] = visit
      scores[id] = scores[id]! < 0 ? scores[id]! * penalty : scores[id]! / penalty
    }
  }
}

/** No run of `size` tokens occurs twice in a row. */
export function noRepeatNgram(size: number): LogitsProcessor {
  if (!Number.isInteger(size) || size < 1) refuse('noRepeatNgram', 'to be a whole number from 1', size)
  return (scores, { ids }) => {
    const tail = ids.length - (size - 1)
    for (let start = 0; start + size <= ids.length; start++) {
      let same = 0
      while (same < size - 1 && ids[start + same] === ids[tail + same]) same++
      if (same === size - 1) scores[ids[start + size - 1]!] = -Infinity
    }
  }
}

/** No end before the row, the prompt included, has `length` tokens. */
export function minLength(length: number, eosIds: readonly number[]): LogitsProcessor {
  requireLength('minLength', length)
  const remove = remover('eosIds', eosIds)
  return (scores, { ids }) => {
    if (ids.length < length) remove(scores)
  }
}

/** No end before `count` tokens are generated. */
export function minNewTokens(count: number, eosIds: readonly number[]): LogitsProcessor {
  requireLength('minNewTokens', count)
  const remove = remover('eosIds', eosIds)
  return (scores, { ids, promptLength }) => {
    if (ids.length - promptLength < count) remove(scores)
  }
}

/** These tokens never come. */
export function suppress(ids: readonly number[]): LogitsProcessor {
  return remover('suppressIds', ids)
}

/**
 * These tokens do not come as the first generated one.
 * @param forced generated tokens before that one which are not chosen: 1 behind `forcedBos`
 */
export function suppressAtBegin(ids: readonly number[], forced = 0): LogitsProcessor {
  const remove = remover('beginSuppressIds', ids)
  return (scores, row) => {
    if (row.ids.length === row.promptLength + forced) remove(scores)
  }
}

/** None of these sequences of tokens comes; one that is a single token is removed always. */
export function badWords(sequences: readonly (readonly number[])[]): LogitsProcessor {
  if (sequences.some((ids) => ids.length === 0)) refuse('badWords', 'to be sequences of at least one id', '[]')
  requireIds('badWords', sequences.flat())
  return (scores, { ids }) => {
    for (const word of sequences) {
      const start = ids.length - (word.length - 1)
      if (start < 0 || !word.slice(0, -1).every((id, i) => ids[start + i] === id)) continue
      const last = word.at(-1)!
      if (last >= scores.length) refuse('badWords', `to hold ids below the vocabulary's ${scores.length}`, last)
      scores[last] = -Infinity
    }
  }
}

function force(scores: Float32Array, ids: readonly number[]): void {
  scores.fill(-Infinity)
  for (const id of ids) {
    if (id >= scores.length) refuse('a forced id', `to be below the vocabulary's ${scores.length}`, id)
    scores[id] = 0
  }
}

/** The token behind a prompt of one token is this one: the target language of a translation model, say. */
export function forcedBos(id: number): LogitsProcessor {
  requireIds('forcedBosId', [id])
  return (scores, { ids }) => {
    if (ids.length === 1) force(scores, [id])
  }
}

/** The last token before `maxLength` ends the row. */
export function forcedEos(maxLength: number, eosIds: readonly number[]): LogitsProcessor {
  requireIds('forcedEosIds', eosIds)
  return (scores, { ids }) => {
    if (ids.length === maxLength - 1) force(scores, eosIds)
  }
}
