import { MemoryError } from '@filature/tensor'
import type { Addon } from './addon.ts'

/** A piece of aligned memory and the tensors that lie in it. */
interface Block {
  readonly buffer: ArrayBuffer
  readonly bytes: number
  /** How many tensor data refer to the block; 0 while it is being filled or lies idle. */
  users: number
  idle: boolean
  floats: Float32Array | undefined
  ints: Int32Array | undefined
}

const BLOCK = Symbol('block')
type Owned = ArrayBuffer & { [BLOCK]?: Block }

const MIB = 1 << 20
/** Idle memory that is always kept. */
const FLOOR = 64 * MIB
/** Allocations after which the peak of the time before is forgotten. */
const WINDOW = 8192

/** Bytes of the block that holds `bytes`: four sizes to an octave, so that shapes that grow step by step find old blocks. */
export function blockSize(bytes: number): number {
  if (bytes <= 1024) return Math.max(64, Math.ceil(bytes / 64) * 64)
  if (bytes >= 64 * MIB) return Math.ceil(bytes / (2 * MIB)) * 2 * MIB
  const quarter = 2 ** (Math.floor(Math.log2(bytes - 1)) - 2)
  return Math.ceil(bytes / quarter) * quarter
}

/**
 * Aligned buffers, recycled when the last tensor in them is gone. Only blocks that were allocated here are recycled;
 * several tensor data may share a block, which is counted on the block.
 */
export class Memory {
  readonly #addon: Addon
  readonly #poison: boolean
  readonly #idle = new Map<number, Block[]>()
  #idleBytes = 0
  #liveBytes = 0
  #peak = 0
  #peakBefore = 0
  #untilForgotten = WINDOW

  constructor(addon: Addon, { poison = false } = {}) {
    this.#addon = addon
    this.#poison = poison
  }

  /** Bytes in blocks that tensors use, and in blocks that wait. */
  get usage(): { live: number; idle: number } {
    return { live: this.#liveBytes, idle: this.#idleBytes }
  }

  /** n floats, contents undefined. The block is taken for good once a tensor is made of it (see `retain`). */
  floats(n: number): Float32Array {
    const block = this.#take(n * 4)
    if (block.floats?.length !== n) block.floats = new Float32Array(block.buffer, 0, n)
    return block.floats
  }

  ints(n: number): Int32Array {
    const block = this.#take(n * 4)
    if (block.ints?.length !== n) block.ints = new Int32Array(block.buffer, 0, n)
    return block.ints
  }

  #take(wanted: number): Block {
    const bytes = blockSize(wanted)
    const block = this.#idle.get(bytes)?.pop()
    if (block) {
      this.#idleBytes -= bytes
      block.idle = false
      return block
    }
    const buffer: Owned = this.#allocate(bytes)
    const fresh: Block = { buffer, bytes, users: 0, idle: false, floats: undefined, ints: undefined }
    buffer[BLOCK] = fresh
    if (this.#poison) this.#poisoned(fresh)
    return fresh
  }

  /** From the system; where it has none left, after idle blocks were given back. */
  #allocate(bytes: number): ArrayBuffer {
    try {
      return this.#addon.allocate(bytes)
    } catch {
      this.trim(0)
    }
    try {
      return this.#addon.allocate(bytes)
    } catch (cause) {
      throw new MemoryError(
        'native-memory',
        `native: wanted ${(bytes / MIB).toFixed(1)} MiB for one tensor, the system has no more beside the ` +
          `${(this.#liveBytes / MIB).toFixed(0)} MiB that tensors use; use a smaller batch or context, checkpointed() or ` +
          'packed weights.',
        { cause },
      )
    }
  }

  /** A tensor's data lie in this array from now on. */
  retain(values: unknown): void {
    const block = blockOf(values)
    if (!block) return
    if (block.users++ === 0) {
      this.#liveBytes += block.bytes
      if (this.#liveBytes > this.#peak) this.#peak = this.#liveBytes
      if (--this.#untilForgotten <= 0) {
        this.#untilForgotten = WINDOW
        this.#peakBefore = this.#peak
        this.#peak = this.#liveBytes
      }
    }
  }

  /** A tensor's data are gone; the last one in a block sends it back. */
  forget(values: unknown): void {
    const block = blockOf(values)
    if (!block || --block.users > 0) return
    this.#liveBytes -= block.bytes
    this.#recycle(block)
  }

  /** Gives a block back that never became a tensor. */
  discard(values: Float32Array | Int32Array): void {
    const block = blockOf(values)
    if (block && block.users === 0 && !block.idle) this.#recycle(block)
  }

  #recycle(block: Block): void {
    if (this.#poison) this.#poisoned(block)
    block.users = 0
    block.idle = true
    const list = this.#idle.get(block.bytes)
    if (list) list.push(block)
    else this.#idle.set(block.bytes, [block])
    this.#idleBytes += block.bytes
    // Blocks of one size may be idle while those of another are at their peak: half as much again is kept for that.
    const limit = 1.5 * Math.max(this.#peak, this.#peakBefore) + FLOOR - this.#liveBytes
    if (this.#idleBytes > limit) this.trim(0.75 * limit)
  }

  /** Gives idle blocks back to the system, the largest first, until at most `bytes` are idle. */
  trim(bytes: number): void {
    for (const size of [...this.#idle.keys()].sort((a, b) => b - a)) {
      const list = this.#idle.get(size)!
      while (this.#idleBytes > bytes && list.length) {
        this.#idleBytes -= size
        this.#addon.release(list.pop()!.buffer)
      }
    }
  }

  #poisoned(block: Block): void {
    this.#addon.fill(block.bytes / 4, 0x7fc0dead, new Int32Array(block.buffer))
  }
}

function blockOf(values: unknown): Block | undefined {
  return ArrayBuffer.isView(values) ? (values.buffer as Owned)[BLOCK] : undefined
}
