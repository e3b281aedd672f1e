import { MemoryError } from '@filature/tensor'
import { refuse } from '../refuse.ts'

/** Refuses a read that does not lie inside the source. */
export function checkRange(name: string, size: number, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
  if (!whole || offset < 0 || length < 0 || offset + length > size) {
    refuse('read-outside', name, `wanted ${length} bytes at ${offset}, but there are ${size}.`)
  }
}

/** A new array, or a MemoryError that says for what; typed arrays end at an engine's limit (4 GiB in Node 20). */
export function allocate<T>(who: string, bytes: number, make: () => T): T {
  try {
    return make()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new MemoryError('allocation-failed', `${who}: could not allocate ${bytes} bytes in one array.`, { cause })
  }
}
