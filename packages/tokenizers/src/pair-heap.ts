/** A pair of neighbouring symbols and where it was seen. */
export interface Pair {
  readonly left: number
  readonly right: number
  /** Occurrences now. */
  count: number
  /** Occurrences when it was put on the heap. */
  queued: number
  /** Indices of the words that held it; some may no longer. */
  readonly words: number[]
}

/** The most frequent pair first; of equals the one with the smaller left, then the smaller right symbol. */
export class PairHeap {
  readonly #heap: Pair[] = []

  push(pair: Pair): void {
    pair.queued = pair.count
    const heap = this.#heap
    let at = heap.length
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!before(pair, heap[above]!)) break
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = pair
  }

  /** The most frequent pair as counts stand now: a pair whose count fell since it was queued goes back to its new place. */
  pop(): Pair | undefined {
    for (;;) {
      const pair = this.#take()
      if (!pair || pair.count === pair.queued) return pair
      if (pair.count > 0) this.push(pair)
    }
  }

  #take(): Pair | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (!last || last === top) return top
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && before(heap[below + 1]!, heap[below]!)) below++
      if (!before(heap[below]!, last)) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = last
    return top
  }
}

function before(a: Pair, b: Pair): boolean {
  if (a.queued !== b.queued) return a.queued > b.queued
  return a.left !== b.left ? a.left < b.left : a.right < b.right
}
