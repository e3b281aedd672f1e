import { clone, keep, type Tensor } from '@filature/tensor'

/** What a trainer saves beside weights and optimizer: named tensors, given and taken back. */
export interface Stateful {
  state(): ReadonlyMap<string, Tensor>
  restore(tensors: ReadonlyMap<string, Tensor>): void
}

/**
 * Tensors that one step hands to the next: the hidden state of truncated backpropagation through time. What is put in
 * comes out as a constant: no gradient goes back into the step that made it.
 */
export class Carry<S extends Readonly<Record<string, Tensor>>> implements Stateful, Disposable {
  #held: S | undefined

  /** What the step before put in; undefined at the start. The carry's own: do not dispose it. */
  get value(): S | undefined {
    return this.#held
  }

  /** Holds copies of these until the next call. */
  put(next: S): void {
    const own = Object.fromEntries(Object.entries(next).map(([name, x]) => [name, keep(clone(x))])) as unknown as S
    this.clear()
    this.#held = own
  }

  clear(): void {
    for (const x of Object.values(this.#held ?? {})) x.dispose()
    this.#held = undefined
  }

  state(): ReadonlyMap<string, Tensor> {
    return new Map(Object.entries(this.#held ?? {}))
  }

  restore(tensors: ReadonlyMap<string, Tensor>): void {
    if (tensors.size === 0) this.clear()
    else this.put(Object.fromEntries(tensors) as unknown as S)
  }

  [Symbol.dispose](): void {
    this.clear()
  }
}
