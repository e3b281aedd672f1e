import {
  type AttentionOptions,
  appendRows,
  appendsInPlace,
  attention,
  broadcastTo,
  type Cache,
  ConfigError,
  clone,
  concat,
  dispose,
  gather,
  keep,
  type LayerCache,
  MemoryError,
  narrow,
  reshape,
  ShapeError,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  tidy,
  transpose,
  UsageError,
  zeros,
} from '@filature/tensor'

interface KeyValues {
  k: Tensor4D
  v: Tensor4D
}

/** Positions for which room is made at first; doubled when full. */
const FIRST_ROOM = 64

/** (B, T, G, D) -> (1, T, B G, D): a batch as one sequence of wider rows. */
function joined(x: Tensor4D): Tensor4D {
  const [B, T, G, D] = x.shape
  // a single row or position lies in memory as it should
  return reshape(B === 1 || T === 1 ? x : transpose(x, [1, 0, 2, 3]), [1, T, B * G, D])
}

/** (1, T, B G, D) -> (B, T, G, D) */
function apart(x: Tensor4D, B: number): Tensor4D {
  const [, T, width, D] = x.shape
  if (B === 1 || T === 1) return reshape(x, [B, T, width / B, D])
  return transpose(reshape(x, [T, B, width / B, D]), [1, 0, 2, 3])
}

/**
 * Keys and values of one layer, held as one sequence (1, S, B G, D) whatever the batch: on a backend that can write in
 * place it grows inside room made ahead; elsewhere, and while a gradient is recorded (which then flows through what was
 * appended), the new rows are joined to a copy of the old ones.
 */
class GrowingLayer implements LayerCache {
  #held: KeyValues | undefined
  #batch = 1
  #fixed: KeyValues | undefined
  /** Memory that `#held` are views of, at the same rows. */
  #room: KeyValues | undefined
  /** Whether `#held` was replaced since the last row came: beams, at every step. Room made for it would be left at once. */
  #moved = false
  readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get length(): number {
    return this.#held?.k.shape[1] ?? 0
  }

  append(k: Tensor4D, v: Tensor4D): KeyValues {
    this.#add(k, v)
    // tensors of their own, so that the cache may let go of its while the caller still reads
    return { k: apart(this.#held!.k, this.#batch), v: apart(this.#held!.v, this.#batch) }
  }

  /**
   * Adds keys and values, and attends to all of them: B sequences of H heads are one of B H heads, so that nothing held
   * is moved. q (B, T, H, D), k and v (B, T, G, D) -> (B, T, H, D)
   */
  attend(q: Tensor4D, k: Tensor4D, v: Tensor4D, { bias, ...options }: AttentionOptions): Tensor4D {
    const first = this.length === 0
    this.#add(k, v)
    if (first) return attention(q, k, v, { bias, ...options })
    const B = q.shape[0]
    const all = this.#held!
    return apart(attention(joined(q), all.k, all.v, { bias: bias && ofAllHeads(bias, q), ...options }), B)
  }

  #add(k: Tensor4D, v: Tensor4D): void {
    if (k.shape[0] !== v.shape[0] || k.shape[1] !== v.shape[1]) {
      throw new ShapeError(
        'cache-rows',
        `KeyValueCache: wanted keys and values (B, T, G, D) of as many rows and positions, got [${k.shape}] and [${v.shape}].`,
      )
    }
    const wanted = this.length + k.shape[1]
    if (wanted > this.capacity) {
      throw new MemoryError(
        'cache-full',
        `KeyValueCache: wanted room for ${wanted} positions, got a capacity of ${this.capacity}; ` +
          'make the cache with a greater capacity or generate fewer tokens.',
      )
    }
    const before = this.#held
    if (before && this.#batch !== k.shape[0]) {
      throw new ShapeError(
        'cache-rows',
        `KeyValueCache: wanted keys of the ${this.#batch} rows that it holds, got [${k.shape}]; ` +
          'reorder it first, or make a new one with newCache.',
      )
    }
    this.#batch = k.shape[0]
    tidy(() => {
      const added = { k: joined(k), v: joined(v) }
      if (appendsInPlace(added.k) && !this.#moved) this.#grow(added, wanted)
      else {
        this.#leaveRoom()
        this.#replace(
          before
            ? { k: keep(concat([before.k, added.k], 1)), v: keep(concat([before.v, added.v], 1)) }
            : { k: keep(clone(added.k)), v: keep(clone(added.v)) },
        )
      }
    })
    this.#moved = false
  }

  /** Writes the new rows behind the old ones, which stay where they are. */
  #grow(added: KeyValues, wanted: number): void {
    const length = this.length
    const { k, v } = this.#roomFor(added, wanted)
    this.#replace({ k: keep(appendRows(k, added.k, length)), v: keep(appendRows(v, added.v, length)) })
  }

  /** Room for `wanted` rows like these, with the rows at hand in it. */
  #roomFor(like: KeyValues, wanted: number): KeyValues {
    if (this.#room && this.#room.k.shape[1] >= wanted) return this.#room
    const rows = Math.min(this.capacity, Math.max(FIRST_ROOM, 2 * wanted))
    const make = (x: Tensor4D, old: Tensor4D | undefined): Tensor4D => {
      const room: Tensor4D = keep(zeros([1, rows, x.shape[2], x.shape[3]]))
      if (old) dispose(appendRows(room, old, 0))
      return room
    }
    const roomier = { k: make(like.k, this.#held?.k), v: make(like.v, this.#held?.v) }
    this.#leaveRoom()
    this.#room = roomier
    return roomier
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

  /** Keeps the rows `indices`, int32 (B'), of the batch, which share all before the position `from`. */
  reorder(indices: Tensor, from: number): void {
    const B = this.#batch
    const picked = (x: Tensor4D): Tensor4D => {
      const [, S, width, D] = x.shape
      const rows = gather<Tensor3D>(reshape(x, [S, B, (width / B) * D]), indices, 1) // (S, B', G D)
      return reshape(rows, [1, S, (indices.size * width) / B, D])
    }
    const held = this.#held
    if (held && from > 0 && indices.size === B && appendsInPlace(held.k)) {
      if (from < this.length) this.#rewrite(held, from, picked)
    } else {
      this.#change(picked)
      if (held) this.#batch = indices.size
    }
    const before = this.#fixed
    if (before && from === 0) {
      this.#fixed = changed(before, (x) => gather<Tensor4D>(x, indices, 0))
      dispose([before.k, before.v])
    }
  }

  /** Writes the positions from `from` on anew, in their place: nobody else holds them, see `apart`. */
  #rewrite(held: KeyValues, from: number, fn: (x: Tensor4D) => Tensor4D): void {
    const room = this.#roomFor(held, this.length + 1)
    const tail = (x: Tensor4D) => fn(narrow(x, 1, from))
    tidy(() => {
      const { k, v } = { k: tail(held.k), v: tail(held.v) }
      this.#replace({ k: keep(appendRows(room.k, k, from)), v: keep(appendRows(room.v, v, from)) })
    })
  }

  /** Forgets the positions from `length` on. */
  truncate(length: number): void {
    if (this.length > length) this.#change((x) => narrow(x, 1, 0, length))
  }

  #change(fn: (x: Tensor4D) => Tensor4D): void {
    if (!this.#held) return
    this.#leaveRoom()
    this.#replace(changed(this.#held, fn))
    this.#moved = true
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

const changed = ({ k, v }: KeyValues, fn: (x: Tensor4D) => Tensor4D): KeyValues =>
  tidy(() => ({ k: keep(fn(k)), v: keep(fn(v)) }))

/** A bias that broadcasts to (B, H, T, S), of the heads of all rows: to (1, B H, T, S). */
function ofAllHeads(bias: Tensor, q: Tensor4D): Tensor {
  const [B, , H] = q.shape
  const [b, h, T, S] = bias.shape as [number, number, number, number]
  return b === 1 && h === 1 ? bias : reshape(broadcastTo(bias, [B, H, T, S]), [1, B * H, T, S])
}

/** Keys and values of every attention of a model, while it decodes token by token. Dispose it (or `using`). */
export class KeyValueCache implements Cache {
  readonly capacity: number
  readonly batch: number
  readonly #layers: GrowingLayer[]
  #open = true

  /** @param capacity greatest number of positions */
  constructor({ layers, batch, capacity }: { layers: number; batch: number; capacity: number }) {
    for (const [key, value] of Object.entries({ layers, batch, capacity })) {
      if (Number.isInteger(value) && value >= 0) continue
      throw new ConfigError('cache-size', `KeyValueCache: wanted ${key} as a whole number of 0 or more, got ${value}.`)
    }
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

  /**
   * Keeps the rows `indices`, int32 (B'), of the batch in that order: beams.
   * @param from each row shares all before this position with the row that takes its place, and what it was encoded
   * from; only what lies behind is moved
   */
  reorder(indices: Tensor, from = 0): void {
    for (const layer of this.#layers) layer.reorder(indices, from)
  }

  /** Forgets all positions from `length` on. */
  truncate(length: number): void {
    if (!(Number.isInteger(length) && length >= 0)) {
      throw new ConfigError('cache-length', `KeyValueCache: wanted a length of 0 or more to keep, got ${length}.`)
    }
    for (const layer of this.#layers) layer.truncate(length)
  }

  [Symbol.dispose](): void {
    this.#open = false
    for (const layer of this.#layers) layer.dispose()
  }
}

/**
 * Attention of new positions to themselves and to what a layer of a cache holds, which then holds them too.
 * q (B, T, H, D), k and v (B, T, G, D) -> (B, T, H, D)
 */
export function cachedAttention(
  cache: LayerCache,
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  options: AttentionOptions,
): Tensor4D {
  if (cache instanceof GrowingLayer) return cache.attend(q, k, v, options)
  const all = cache.append(k, v)
  return attention(q, all.k, all.v, options)
}

/**
 * Keys and values of a memory: `make` runs once for each layer of a cache that can hold them (a `KeyValueCache`), and
 * anew without one.
 */
export function heldKeyValues(cache: LayerCache | undefined, make: () => KeyValues): KeyValues {
  return cache instanceof GrowingLayer ? cache.fixed(make) : make()
}
