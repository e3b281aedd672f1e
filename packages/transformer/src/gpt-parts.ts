import { type LearnedPositions, splitHeads } from '@filature/attention'
import {
  add,
  type CausalInputs,
  ConfigError,
  type Embedding,
  ShapeError,
  split,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
} from '@filature/tensor'

// What GPT-2 and nanoGPT do alike.

/** Words and their places, summed; places count on behind what the cache holds. -> (B, T, C) */
export function embedded(
  who: string,
  { wte, wpe }: { wte: Embedding; wpe: LearnedPositions },
  { ids, embeds, positionIds, cache }: CausalInputs,
): Tensor3D {
  if ((ids === undefined) === (embeds === undefined)) {
    throw new ConfigError(`${who.toLowerCase()}-inputs`, `${who}: wanted either ids or embeds, got both or neither.`)
  }
  if (ids && ids.rank !== 2) {
    throw new ShapeError(`${who.toLowerCase()}-inputs`, `${who}: wanted ids (B, T), got [${(ids as Tensor).shape}].`)
  }
  const words = embeds ?? wte.forward<Tensor3D>(ids!) // (B, T, C)
  return add(words, positionIds ? wpe.forward(positionIds) : wpe.rows(words.shape[1], cache?.length ?? 0))
}

/** A joint projection taken apart: queries, keys and values. (B, T, 3 C) -> thrice (B, T, H, D) */
export const queriesKeysValues = (joined: Tensor3D, heads: number) =>
  split(joined, 3, 2).map((part) => splitHeads(part, heads)) as [q: Tensor4D, k: Tensor4D, v: Tensor4D]
