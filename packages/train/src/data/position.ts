import { CheckpointError } from '@filature/tensor'
import type { Position } from './batch-source.ts'

/** The whole numbers of a stored position, by name; anything else is refused before it is used. */
export function readPosition<K extends string>(
  who: string,
  position: Position,
  limits: Record<K, number>,
): Record<K, number> {
  for (const key of Object.keys(limits) as K[]) {
    const value = position[key]
    if (!Number.isSafeInteger(value) || value! < 0 || value! > limits[key]) {
      throw new CheckpointError(
        'data-position',
        `${who}: wanted a position with ${key} from 0 to ${limits[key]}, got ${JSON.stringify(position)}; is it the data of the first run?`,
      )
    }
  }
  return position as Record<K, number>
}
