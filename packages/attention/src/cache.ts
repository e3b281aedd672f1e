import {
  appendRows,
  appendsInPlace,
  type Cache,
  clone,
  concat,
  dispose,
  gather,
  keep,
  type LayerCache,
  MemoryError,
  narrow,
  type Tensor,
  type Tensor4D,
  tidy,
  UsageError,
  zeros,
} from '@filature/tensor'

interface KeyValues {
  k: Tensor4D
  v: Tensor4D
}

/** Positions for which room is made at first; doubled when full. */
const FIRST_ROOM = 64

/**
 * Keys and values of one layer, (B, S, G, D). A single sequence on a backend that can write in place grows inside room
 * made ahead; elsewhere, and while a gradient is recorded (which then flows through what was appended), the new rows
 * are joined to a copy of the old ones.
 */
class GrowingLayer implements LayerCache {
  #held: KeyValues | undefined
  #fixed: KeyValues | undefined
  /** Memory that `#held` are views of, at the same rows. */
  #room: KeyValues | undefined
  readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get length(): number {
    return this.#held?.k.shape[1] ?? 0
  }

  append(k: Tensor4D, v: Tensor4D): KeyValues {
    const wanted = this.length + k.shape[1]
    if (wanted > this.capacity) {
      throw new MemoryError(
        'cache-full',
        `KeyValueCache: wanted room for ${wanted} positions, got a capacity of ${this.capacity}; ` +
          'make the cache with a greater capacity or generate fewer tokens.',
      )
    }
    const before = this.#held
    if (appendsInPlace(k)) this.#grow({ k, v }, wanted)
    else {
      this.#leaveRoom()
      this.#replace(
        before
          ? { k: keep(concat([before.k, k], 1)), v: keep(concat([before.v, v], 1)) }
          : { k: keep(clone(k)), v: keep(clone(v)) },
      )
    }
    // copies of their own, so that the cache may let go of its tensors while the caller still reads
    return { k: clone(this.#held!.k), v: clone(this.#held!.v) }
  }

  /** Writes the new rows behind the old ones, which stay where they are. */
  #grow(added: KeyValues, wanted: number): void {
    const before = this.#held
    if (!this.#room || this.#room.k.shape[1] < wanted) {
      const rows = Math.min(this.capacity, Math.max(FIRST_ROOM, 2 * wanted))
      const make = (x: Tensor4D, old: Tensor4D | undefined): Tensor4D => {
        const room: Tensor4D = keep(zeros([1, rows, x.shape[2], x.shape[3]]))
        if (old) dispose(appendRows(room, old, 0))
        return room
      }
      const roomier = { k: make(added.k, before?.k), v: make(added.v, before?.v) }
      this.#leaveRoom()
      this.#room = roomier
    }
    const { k, v } = this.#room
    const length = this.length
    this.#replace({ k: keep(appendRows(k, added.k, length)), v: keep(appendRows(v, added.v, length)) })
  }

  /** The rows at hand stay; the next ones are written elsewhere. */
  #leaveRoom(): void {
    if (this.#room) dispose([this.#room.k, this.#room.v])
    this.#room = undefined
  }

  /** Keys and values that do not grow (an encoder's memory): made once, handed out at every step. */
  fixed(make: () => KeyValues): KeyValues {
    if (!this.#fixed) {
      const { k, v } = make()
      this.#fixed = { k: keep(clone(k)), v: keep(clone(v)) }
    }
    return this.#fixed
  }

  change(fn: (x: Tensor4D) => Tensor4D, fixedToo: boolean): void {
    const changed = ({ k, v }: KeyValues) => tidy(() => ({ k: keep(fn(k)), v: keep(fn(v)) }))
    if (this.#held) {
      this.#leaveRoom()
      this.#replace(changed(this.#held))
    }
    if (this.#fixed && fixedToo) {
      const before = this.#fixed
      this.#fixed = changed(before)
      dispose([before.k, before.v])
    }
  }

  #replace(next: KeyValues): void {
    if (this.#held) dispose([this.#held.k, this.#held.v])
    this.#held = next
  }

  dispose(): void {
    this.#leaveRoom()
    for (const held of [this.#held, this.#fixed]) if (held) dispose([held.k, held.v])
    this.#held = undefined
    this.#fixed = undefined
  }
}

/** Keys and values of every attention of a model, while it decodes token by token. Dispose it (or `using`). */
export class KeyValueCache implements Cache {
  readonly capacity: number
  readonly batch: number
  readonly #layers: GrowingLayer[]
  #open = true

  /** @param capacity greatest number of positions */
  constructor({ layers, batch, capacity }: { layers: number; batch: number; capacity: number }) {
    this.batch = batch
    this.capacity = capacity
    this.#layers = Array.from({ length: layers }, () => new GrowingLayer(capacity))
  }

  /** Positions held by the last layer: those of the forward passes that ran to the end. */
  get length(): number {
    return this.#layers.at(-1)?.length ?? 0
  }

  layer(index: number): LayerCache & { fixed(make: () => KeyValues): KeyValues } {
    const layer = this.#layers[index]
    if (!layer || !this.#open) {
      throw new UsageError(
        'cache-layer',
        this.#open
          ? `KeyValueCache: wanted a layer below ${this.#layers.length}, got ${index}.`
          : 'KeyValueCache: used after it was disposed; make a new one with newCache.',
      )
    }
    return layer
  }

  /** Keeps the rows `indices`, int32 (B'), of the batch in that order: beams. */
  reorder(indices: Tensor): void {
    for (const layer of this.#layers) layer.change((x) => gather<Tensor4D>(x, indices, 0), true)
  }

  /** Forgets all positions from `length` on. */
  truncate(length: number): void {
    for (const layer of this.#layers) {
      if (layer.length > length) layer.change((x) => narrow(x, 1, 0, length), false)
    }
  }

  [Symbol.dispose](): void {
    this.#open = false
    for (const layer of this.#layers) layer.dispose()
  }
}

/**
 * Keys and values of a memory: `make` runs once for each layer of a cache that can hold them (a `KeyValueCache`), and
 * anew without one.
 */
export function heldKeyValues(cache: LayerCache | undefined, make: () => KeyValues): KeyValues {
  return cache instanceof GrowingLayer ? cache.fixed(make) : make()
}
