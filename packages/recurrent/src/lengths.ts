import {
  concat,
  gather,
  narrow,
  type RecurrentResult,
  type Shape,
  ShapeError,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor,
  zeros,
} from '@filature/tensor'
import type { State } from './layer.ts'

/**
 * Rows of different lengths, longest first: what torch's packed sequences do. Between two different lengths the rows
 * that still run are the first ones, so a direction is a few dense calls, and nothing is computed for padding.
 */
export interface Packing {
  /** Row numbers, longest first, and their inverse: int32 (B) each. */
  readonly order: Int32Array
  readonly inverse: Int32Array
  /** Spans of time in which the same `rows` first rows run. */
  readonly spans: readonly { readonly from: number; readonly to: number; readonly rows: number }[]
  readonly T: number
}

export function pack(lengths: ArrayLike<number>, B: number, T: number): Packing {
  const list = Array.from(lengths)
  if (list.length !== B || list.some((n) => !(Number.isInteger(n) && n >= 1 && n <= T))) {
    throw new ShapeError(
      'recurrent-lengths',
      `lengths: wanted ${B} whole numbers from 1 to ${T} (one for each row of the batch), got [${list}].`,
    )
  }
  const order = Int32Array.from(list.keys()).sort((a, b) => list[b]! - list[a]! || a - b)
  const inverse = new Int32Array(B)
  order.forEach((row, place) => {
    inverse[row] = place
  })
  const spans: { from: number; to: number; rows: number }[] = []
  let from = 0
  for (const to of [...new Set(list)].sort((a, b) => a - b)) {
    spans.push({ from, to, rows: list.filter((n) => n > from).length })
    from = to
  }
  return { order, inverse, spans, T }
}

/** Rows (axis 1 of a 3-D tensor, axis 0 of a state) in the order of `indices`. */
export function rowsInOrder<R extends Tensor>(x: R, indices: Int32Array): R {
  return gather<R>(x, tensor(indices, [indices.length] as Shape, 'int32'), x.rank === 3 ? 1 : 0)
}

/**
 * One direction over packed rows: `run` makes the dense call of a span. x (T, B, I) with the longest rows first;
 * outputs after a row's end are zero; the states are those after each row's last step.
 */
export function packedDirection(
  { spans, T }: Packing,
  x: Tensor3D,
  start: State,
  reverse: boolean,
  run: (x: Tensor3D, state: State) => RecurrentResult,
): RecurrentResult {
  const B = x.shape[1]
  const H = start.h.shape[1]
  const parts: Tensor3D[] = new Array(spans.length)
  const top = (s: Tensor2D | undefined, from: number, to: number) => (s ? narrow(s, 0, from, to) : undefined)
  const join = (a: State, b: State): State => ({
    h: concat([a.h, b.h], 0),
    ...(a.c && b.c ? { c: concat([a.c, b.c], 0) } : {}),
  })
  const slice = (s: State, from: number, to: number): State => ({ h: top(s.h, from, to)!, c: top(s.c, from, to) })

  // forward: rows leave the running block as they end; backward: rows enter it with their initial state
  let state = reverse ? undefined : start
  let done: State | undefined
  const inOrder = reverse ? [...spans.keys()].reverse() : [...spans.keys()]
  for (const at of inOrder) {
    const { from, to, rows } = spans[at]!
    const running = state ? state.h.shape[0] : 0
    if (reverse && running < rows) {
      const entering = slice(start, running, rows)
      state = state ? join(state, entering) : entering
    } else if (!reverse && running > rows) {
      const ended = slice(state!, rows, running)
      done = done ? join(ended, done) : ended
      state = slice(state!, 0, rows)
    }
    const result = run(narrow(narrow(x, 0, from, to), 1, 0, rows), state!)
    state = { h: result.h, c: result.c }
    parts[at] = rows < B ? concat([result.out, zeros([to - from, B - rows, H])], 1) : result.out
  }
  const last = done ? join(state!, done) : state!
  const end = spans.at(-1)!.to
  if (end < T) parts.push(zeros([T - end, B, H]))
  return { out: concat(parts, 0), h: last.h, ...(last.c ? { c: last.c } : {}) }
}
