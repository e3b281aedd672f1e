import {
  type Cache,
  clone,
  dispose,
  gather,
  keep,
  type LayerCache,
  type Tensor,
  type Tensor3D,
  tidy,
  UsageError,
} from '@filature/tensor'
import type { DecoderState } from './decoder.ts'

/** The state between two words, and what of the memory does not change. Dispose it (or `using`). */
export class DecoderCache implements Cache {
  #length = 0
  #state: DecoderState | undefined
  #projected: Tensor3D | undefined
  #open = true

  get length(): number {
    return this.#length
  }

  get state(): DecoderState | undefined {
    this.#check()
    return this.#state
  }

  /** Takes the state after `steps` more words. */
  advance(state: DecoderState, steps: number): void {
    this.#check()
    const before = this.#state
    this.#state = tidy(() => keptState(state, (x) => clone(x)))
    if (before) disposeState(before)
    this.#length += steps
  }

  /** Made at the first step, held from then on. */
  projected(make: () => Tensor3D): Tensor3D {
    this.#check()
    this.#projected ??= tidy(() => keep(clone(make())))
    return this.#projected
  }

  layer(): LayerCache {
    throw new UsageError('cache-layer', 'DecoderCache: a recurrent decoder holds states, no keys and values of layers.')
  }

  /** Keeps the rows `indices`, int32 (B'), of the batch in that order: beams. */
  reorder(indices: Tensor): void {
    const [state, projected] = [this.#state, this.#projected]
    if (state) {
      this.#state = tidy(() => ({
        ...keptState({ h: state.h, c: state.c }, (x) => gather<Tensor3D>(x, indices, 1)),
        ...(state.fed ? { fed: keep(gather<Tensor3D>(state.fed, indices, 0)) } : {}),
      }))
      disposeState(state)
    }
    if (projected) {
      this.#projected = tidy(() => keep(gather<Tensor3D>(projected, indices, 0)))
      projected.dispose()
    }
  }

  [Symbol.dispose](): void {
    this.#open = false
    if (this.#state) disposeState(this.#state)
    this.#projected?.dispose()
    this.#state = undefined
    this.#projected = undefined
  }

  #check(): void {
    if (!this.#open) {
      throw new UsageError('cache-disposed', 'DecoderCache: used after it was disposed; make a new one with newCache.')
    }
  }
}

const keptState = ({ h, c, fed }: DecoderState, make: (x: Tensor3D) => Tensor3D): DecoderState => ({
  h: keep(make(h)),
  ...(c ? { c: keep(make(c)) } : {}),
  ...(fed ? { fed: keep(make(fed)) } : {}),
})

const disposeState = ({ h, c, fed }: DecoderState): void => dispose([h, c, fed].filter((x) => x !== undefined))
