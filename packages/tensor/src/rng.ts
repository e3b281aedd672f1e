import { ConfigError } from './errors.ts'
import { hash64, philox, philoxWords, type Words2 } from './philox.ts'

const TO_UNIT = 2 ** -32

/**
 * A random stream named by its key. `fork(label)` names a child stream that depends on the key and the label alone,
 * never on what was drawn before; drawing advances this stream only. Same seed, same draws, on every backend.
 */
export class Rng {
  readonly key: Words2
  /** Draws made so far, of however many words each. */
  position: number

  constructor(seed: number | Words2, position = 0) {
    if (typeof seed === 'number') {
      if (!Number.isSafeInteger(seed) || seed < 0) {
        throw new ConfigError('rng-seed', `Rng: wanted a seed that is a whole number from 0 to 2^53 - 1, got ${seed}.`)
      }
      this.key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]
    } else {
      this.key = [seed[0] >>> 0, seed[1] >>> 0]
    }
    this.position = position
  }

  /** The child stream of a path, a step number or any other label. */
  fork(label: string | number): Rng {
    const [low, high] =
      typeof label === 'number' ? ([label >>> 0, Math.floor(label / 2 ** 32)] as const) : hash64(label)
    const words = philox([low, high, typeof label === 'number' ? 1 : 2, 0x66696c61], this.key)
    return new Rng([words[0], words[1]])
  }

  /** `count` unsigned 32-bit words. */
  words(count: number): Uint32Array {
    const out = philoxWords(count, this.key, [this.position >>> 0, Math.floor(this.position / 2 ** 32)])
    this.position++
    return out
  }

  /** `count` numbers, uniform in low..high (high excluded). */
  uniform(count: number, low = 0, high = 1): Float64Array {
    const words = this.words(count)
    return Float64Array.from(words, (w) => low + (high - low) * w * TO_UNIT)
  }

  /** `count` normal numbers, by Box and Muller. */
  normal(count: number, mean = 0, std = 1): Float64Array {
    const words = this.words(count + (count & 1))
    const out = new Float64Array(count)
    for (let i = 0; i < count; i += 2) {
      const radius = Math.sqrt(-2 * Math.log((words[i]! + 1) * TO_UNIT))
      const angle = 2 * Math.PI * words[i + 1]! * TO_UNIT
      out[i] = mean + std * radius * Math.cos(angle)
      if (i + 1 < count) out[i + 1] = mean + std * radius * Math.sin(angle)
    }
    return out
  }

  /** One number, uniform in 0..1 (1 excluded). */
  next(): number {
    return this.words(1)[0]! * TO_UNIT
  }

  /** One whole number in 0..bound-1, without bias; bound is a whole number from 1 to 2^32. */
  integer(bound: number): number {
    if (!(Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 32)) {
      throw new ConfigError('rng-bound', `Rng: wanted a bound that is a whole number from 1 to 2^32, got ${bound}.`)
    }
    const limit = 2 ** 32 - (2 ** 32 % bound)
    for (;;) {
      for (const word of this.words(4)) if (word < limit) return word % bound
    }
  }

  /** The numbers 0..count-1 in random order (Fisher-Yates). */
  permutation(count: number): Int32Array {
    const out = Int32Array.from({ length: count }, (_, i) => i)
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      const swap = out[i]!
      out[i] = out[j]!
      out[j] = swap
    }
    return out
  }

  /** What a checkpoint stores; `Rng.from(state)` goes on from there. */
  get state(): { key: [number, number]; position: number } {
    return { key: [this.key[0], this.key[1]], position: this.position }
  }

  static from(state: { key: readonly [number, number]; position: number }): Rng {
    return new Rng(state.key, state.position)
  }
}
