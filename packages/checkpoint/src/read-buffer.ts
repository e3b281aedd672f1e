import type { Buffer, HostArray } from '@filature/tensor'
import { toFloat32, toInt32 } from './decode.ts'
import type { TensorValues } from './dtypes.ts'
import { refuse } from './refuse.ts'

/** Stored values as the buffer holds them. */
export function bufferValues(buffer: Buffer, values: TensorValues, who: string): HostArray {
  if (buffer.dtype === 'float32') return toFloat32(values, who)
  const integers = toInt32(values, who)
  if (buffer.dtype === 'int32') return integers
  return Uint8Array.from(integers, (v) => {
    if (v !== 0 && v !== 1) refuse('bool-value', who, `wanted truth values, got ${v}.`)
    return v
  })
}

/**
 * A derived buffer's stored values must be those that it derives: integers exactly; reals within 1e-3 of the largest
 * (1e-2 for half precision), which lets float32 tables of sines pass and a table of another base fail.
 */
export function checkDerived(buffer: Buffer, values: HostArray, exact: boolean, who: string): void {
  if (!buffer.derive) return
  const derived = buffer.derive()
  let largest = 0
  for (const v of derived) if (Number.isFinite(v)) largest = Math.max(largest, Math.abs(v))
  const tolerance = buffer.dtype === 'float32' ? (exact ? 1e-3 : 1e-2) * largest : 0
  for (let i = 0; i < derived.length; i++) {
    const a = values[i]!
    const b = derived[i]!
    if (!(Object.is(a, b) || Math.abs(a - b) <= tolerance)) {
      refuse(
        'buffer-differs',
        who,
        `the file stores ${a} at index ${i}, the model's configuration gives ${b}; check config.json, or leave it out.`,
      )
    }
  }
}
