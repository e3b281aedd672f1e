import {
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
} from '@filature/tensor'

interface KeyValues {
  k: Tensor4D
  v: Tensor4D
}

/** Keys and values of one layer, (B, S, G, D); gradients flow through what was appended. */
class GrowingLayer implements LayerCache {
  #held: KeyValues | undefined
  #fixed: KeyValues | undefined
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
    this.replace(
      before
        ? { k: keep(concat([before.k, k], 1)), v: keep(concat([before.v, v], 1)) }
        : { k: keep(clone(k)), v: keep(clone(v)) },
    )
    // copies of their own, so that the cache may let go of its tensors while the caller still reads
    return { k: clone(this.#held!.k), v: clone(this.#held!.v) }
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
    if (this.#held) this.replace(changed(this.#held))
    if (this.#fixed && fixedToo) {
      const before = this.#fixed
      this.#fixed = changed(before)
      dispose([before.k, before.v])
    }
  }

  private replace(next: KeyValues): void {
    if (this.#held) dispose([this.#held.k, this.#held.v])
    this.#held = next
  }

  dispose(): void {
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
