import { ConfigError, capture, type Tensor2D, tensor, tidy } from '@filature/tensor'
import type { OpenBert } from './open-bert.ts'

export interface Candidate {
  readonly id: number
  readonly token: string
  readonly probability: number
}

export interface BertReading {
  /** The tokens read, [CLS] and [SEP] among them: (T). */
  readonly tokens: readonly string[]
  /** The likeliest tokens at each mask, best first. */
  readonly masks: readonly (readonly Candidate[])[]
  /** The text with the likeliest token at each mask. */
  readonly filled: string
  /** Where each token looked: layers x heads x (T, T). */
  readonly attention: readonly (readonly (readonly (readonly number[])[])[])[]
}

/**
 * Ids of a text with masks: [CLS] ... [SEP]. A mask stands for a word with the blank before it, and a text starts as if
 * behind a blank, which is how byte-level tokens are cut; WordPiece does not see blanks.
 */
export function idsOf({ tokenizer, special, longest }: OpenBert, text: string): number[] {
  const [first, ...rest] = text.trim().split(tokenizer.idToToken(special.mask)!)
  const plain = (part: string) => [
    ...tokenizer.encode(part.trimEnd(), { addSpecialTokens: false, parseSpecialTokens: false }).ids,
  ]
  const start = first!.trim() === '' ? [] : plain(` ${first}`)
  const ids = [special.cls, ...start, ...rest.flatMap((part) => [special.mask, ...plain(part)]), special.sep]
  if (ids.length <= longest) return ids
  throw new ConfigError(
    'bert-length',
    `bert: wanted at most ${longest} tokens, [CLS] and [SEP] among them, got ${ids.length}; shorten the text.`,
  )
}

/** Reads a text once; `top` tokens at each mask. */
export async function readWithBert(opened: OpenBert, text: string, top: number): Promise<BertReading> {
  const { model, tokenizer, special } = opened
  const ids = idsOf(opened, text)
  const T = ids.length
  const run = () => tidy(() => model.forward({ ids: tensor([ids], [1, T], 'int32') as Tensor2D }))
  using seen = capture(model, '**.pattern', run) // each (1, H, T, T)
  const scores = await seen.output.data()
  seen.output.dispose()
  const V = scores.length / T
  const places = ids.flatMap((id, t) => (id === special.mask ? [t] : []))
  const masks = places.map((t) =>
    likeliest(scores.subarray(t * V, (t + 1) * V) as Float32Array, tokenizer.vocabSize, top).map(
      ({ id, probability }) => {
        return { id, probability, token: nameOf(opened, id) }
      },
    ),
  )
  const filled = ids.slice(1, -1)
  places.forEach((t, i) => {
    filled[t - 1] = masks[i]![0]!.id
  })
  const attention: number[][][][] = []
  for (const pattern of seen.activations.values()) {
    const [values, H] = [await pattern.data(), pattern.shape[1]!]
    const row = (from: number) => Array.from(values.subarray(from, from + T))
    attention.push(Array.from({ length: H }, (_, h) => ids.map((_, t) => row((h * T + t) * T))))
  }
  return {
    tokens: ids.map((id) => nameOf(opened, id)),
    masks,
    filled: tokenizer.decode(filled, { skipSpecialTokens: true }).trim(),
    attention,
  }
}

/** A token as it reads, not as its vocabulary spells bytes; a blank is shown. */
function nameOf({ tokenizer }: OpenBert, id: number): string {
  if (tokenizer.specialIds.has(id)) return tokenizer.idToToken(id)!
  const text = tokenizer.decode([id])
  return (text === '' ? (tokenizer.idToToken(id) ?? `#${id}`) : text).replaceAll(' ', '·').replaceAll('\n', '↵')
}

/** The softmax's `top` greatest among the first `named` (a model may score more ids than it has tokens). (V) -> best first */
function likeliest(scores: Float32Array, named: number, top: number): { id: number; probability: number }[] {
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const sum = scores.reduce((total, score) => total + Math.exp(score - most), 0)
  const order = Array.from(scores.keys())
    .slice(0, named)
    .sort((a, b) => scores[b]! - scores[a]!)
  return order.slice(0, top).map((id) => ({ id, probability: Math.exp(scores[id]! - most) / sum }))
}
