import { ShapeError } from './errors.ts'

/**
 * Refuses ids that are no whole numbers from 0 to `vocabulary` - 1, naming the first; `ignored` may stand among labels.
 * For ids on the host, before they become a tensor: kernels on a device cannot all throw.
 */
export function checkIds(who: string, ids: ArrayLike<number>, vocabulary: number, ignored?: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    if (id === ignored || (Number.isInteger(id) && id >= 0 && id < vocabulary)) continue
    throw new ShapeError(
      'id-range',
      `${who}: wanted ids from 0 to ${vocabulary - 1}, got ${id} at place ${i}; the tokenizer and the model must share a vocabulary.`,
    )
  }
}
