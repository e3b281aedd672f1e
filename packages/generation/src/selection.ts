/** The k-th largest of the values (k from 1), by a heap of k: O(V log k) at worst, O(V) in the usual case. */
export function kthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k) // smallest on top
  for (let i = (k >> 1) - 1; i >= 0; i--) siftDown(heap, i)
  for (let i = k; i < values.length; i++) {
    if (values[i]! <= heap[0]!) continue
    heap[0] = values[i]!
    siftDown(heap, 0)
  }
  return heap[0]!
}

function siftDown(heap: Float32Array, at: number): void {
  const value = heap[at]!
  for (;;) {
    let below = 2 * at + 1
    if (below >= heap.length) break
    if (below + 1 < heap.length && heap[below + 1]! < heap[below]!) below++
    if (heap[below]! >= value) break
    heap[at] = heap[below]!
    at = below
  }
  heap[at] = value
}

/**
 * Indices of the finite keys, the largest key first, as far as they are asked for: O(V) to start and O(log V) for each.
 * Of equal keys the later index comes first, as from the end of a stable ascending sort.
 */
export function* descending(keys: Float32Array | Float64Array): Generator<number> {
  const heap = new Int32Array(keys.length)
  let size = 0
  for (let i = 0; i < keys.length; i++) if (keys[i]! > -Infinity) heap[size++] = i
  const before = (a: number, b: number) => keys[a]! > keys[b]! || (keys[a] === keys[b] && a > b)
  const sift = (at: number) => {
    const index = heap[at]!
    for (;;) {
      let below = 2 * at + 1
      if (below >= size) break
      if (below + 1 < size && before(heap[below + 1]!, heap[below]!)) below++
      if (!before(heap[below]!, index)) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = index
  }
  for (let i = (size >> 1) - 1; i >= 0; i--) sift(i)
  while (size > 0) {
    const top = heap[0]!
    heap[0] = heap[--size]!
    sift(0)
    yield top
  }
}

/** The first index of the largest value; a NaN counts as largest. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) return i
    if (values[i]! > values[best]!) best = i
  }
  return best
}

/** log(sum of exp) of the values, without overflow. */
export function logSumExp(values: Float32Array): number {
  const max = values[argmax(values)]!
  if (!Number.isFinite(max)) return max
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - max)
  return max + Math.log(sum)
}
