import { clone, keep, type Tensor } from '@filature/tensor'

/** What a trainer saves beside weights and optimizer: named tensors, given and taken back. */
export interface Stateful {
  state(): ReadonlyMap<string, Tensor>
  /** Takes over copies; where they do not fit it throws, and nothing has changed. */
  restore(tensors: ReadonlyMap<string, Tensor>): void
}

/**
 * Tensors that one step hands to the next: the hidden state of truncated backpropagation through time. What is put in
 * comes out as a constant: no gradient goes back into the step that made it.
 */
export class Carry<S extends Readonly<Record<string, Tensor>>> implements Stateful, Disposable {
  #held: S | undefined
  #before: S | undefined

  /** What was put in last; undefined at the start. The carry's own: do not dispose it. */
  get value(): S | undefined {
    return this.#held
  }

  /** Holds copies of these. What was held stays alive until the next put: the step at hand may still read it. */
  put(next: S): void {
    const own = copies(next)
    free(this.#before)
    this.#before = this.#held
    this.#held = own
  }

  clear(): void {
    free(this.#before)
    free(this.#held)
    this.#before = undefined
    this.#held = undefined
  }

  state(): ReadonlyMap<string, Tensor> {
    return new Map(Object.entries(this.#held ?? {}))
  }

  restore(tensors: ReadonlyMap<string, Tensor>): void {
    const before = [this.#held, this.#before]
    const own = tensors.size > 0 ? copies(Object.fromEntries(tensors) as unknown as S) : undefined
    for (const state of before) free(state)
    this.#held = own
    this.#before = undefined
  }

  [Symbol.dispose](): void {
    this.clear()
  }
}

const copies = <S extends Readonly<Record<string, Tensor>>>(state: S): S =>
  Object.fromEntries(Object.entries(state).map(([name, x]) => [name, keep(clone(x))])) as unknown as S

function free(tensors: Readonly<Record<string, Tensor>> | undefined): void {
  for (const x of Object.values(tensors ?? {})) x.dispose()
}
