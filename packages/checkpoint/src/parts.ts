import type { Checkpoint } from './checkpoint.ts'
import { checkpointOf } from './checkpoint-of.ts'
import type { TensorValues } from './dtypes.ts'
import { quote, refuse } from './refuse.ts'
import { allocate } from './sources/range.ts'

/** Along which axis the parts hold slices of a tensor; undefined where each holds the whole. */
export type CutAxis = (name: string, shape: readonly number[]) => 0 | 1 | undefined

/**
 * Parts of one model, as devices that computed it together saved them, as one checkpoint: the same names in each, every
 * matrix in equal slices. A tensor is read part by part into its place: beside it, one slice is in memory. What every
 * part holds whole is taken from the first. Owns the parts.
 */
export function joinParts(parts: readonly Checkpoint[], who: string, axisOf: CutAxis): Checkpoint {
  const first = parts[0] ?? refuse('parts-count', who, 'there are no parts.')
  checkAlike(parts)
  const cut = (name: string) => {
    const { dtype, shape } = first.info(name)
    const axis = axisOf(name, shape)
    if (axis !== undefined && axis >= shape.length) {
      refuse('parts-shape', who, `tensor ${quote(name)} [${shape}] has no axis ${axis} to be cut along.`)
    }
    return { dtype, shape, axis }
  }
  return checkpointOf(new Map(first.names().map((name) => [name, cut(name)])), {
    format: first.format,
    name: who,
    metadata: first.metadata,
    info: ({ dtype, shape, axis }) => ({
      dtype,
      shape: axis === undefined ? shape : shape.with(axis, shape[axis]! * parts.length),
    }),
    read: async ({ shape, axis }, tensor, name) =>
      axis === undefined ? await first.read(name) : await readSlices(parts, name, shape, axis, tensor),
    close: () => Promise.allSettled(parts.map((part) => part.close())),
  })
}

function checkAlike([first, ...others]: readonly Checkpoint[]): void {
  for (const part of others) {
    const missing = first!.names().find((name) => !part.has(name))
    if (missing !== undefined) refuse('parts-names', part.name, `it lacks tensor ${quote(missing)} of the first part.`)
    for (const name of part.names()) {
      if (!first!.has(name)) refuse('parts-names', part.name, `its tensor ${quote(name)} is not in the first part.`)
      const wanted = first!.info(name)
      const got = part.info(name)
      if (wanted.dtype !== got.dtype || String(wanted.shape) !== String(got.shape)) {
        const [a, b] = [wanted, got].map(({ dtype, shape }) => `${dtype} [${shape}]`)
        refuse('parts-shape', part.name, `its tensor ${quote(name)} is ${b}, in the first part ${a}.`)
      }
    }
  }
}

async function readSlices(
  parts: readonly Checkpoint[],
  name: string,
  shape: readonly number[],
  axis: 0 | 1,
  who: string,
): Promise<TensorValues> {
  // slices of the rows lie one behind the other; slices of the columns take turns, row by row
  const runs = axis === 0 ? 1 : shape[0]!
  let out: TensorValues | undefined
  for (const [i, part] of parts.entries()) {
    const slice = await part.read(name)
    out ??= emptyLike(slice, parts.length, who)
    const run = slice.length / runs
    for (let row = 0; row < runs; row++) {
      out.set(slice.subarray(row * run, (row + 1) * run) as never, (row * parts.length + i) * run)
    }
  }
  return out!
}

function emptyLike(values: TensorValues, times: number, who: string): TensorValues {
  const Values = values.constructor as new (length: number) => TensorValues
  return allocate(who, times * values.byteLength, () => new Values(times * values.length))
}
