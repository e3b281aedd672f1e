import { MultiheadAttention, sinusoidalPositions } from '@filature/attention'
import { GRU, LSTM, RNN } from '@filature/recurrent'
import { add, Embedding, Linear, Module, narrow, normal, squeeze, type Tensor2D, type Tensor3D } from '@filature/tensor'
import { SYMBOLS, VOCABULARY } from './task.ts'

export const readerKinds = ['RNN', 'LSTM', 'GRU', 'attention'] as const
export type ReaderKind = (typeof readerKinds)[number]

/** Reads a sequence and names a symbol from its last position: the same but for how that position learns of the past. */
export class Reader extends Module {
  readonly embed: Embedding
  readonly mixer: RNN | LSTM | GRU | MultiheadAttention
  readonly head: Linear

  constructor(kind: ReaderKind, width: number) {
    super()
    this.embed = new Embedding(VOCABULARY, width, { init: normal(1) })
    if (kind === 'attention') this.mixer = new MultiheadAttention(width, 1)
    else this.mixer = new { RNN, LSTM, GRU }[kind](width, width, { batch_first: true })
    this.head = new Linear(width, SYMBOLS)
  }

  /** int32 (B, T) -> (B, T, C) */
  embedded(ids: Tensor2D): Tensor3D {
    return this.embed.forward<Tensor3D>(ids)
  }

  /** (B, T, C) -> scores of the symbols (B, SYMBOLS) */
  read(x: Tensor3D): Tensor2D {
    const T = x.shape[1]
    return this.head.forward(squeeze<Tensor2D>(this.#last(x, T), [1]))
  }

  /** The last position's state, (B, 1, C). */
  #last(x: Tensor3D, T: number): Tensor3D {
    if (this.mixer instanceof MultiheadAttention) {
      const placed = add(x, sinusoidalPositions(T, x.shape[2])) as Tensor3D
      const query = narrow(placed, 1, T - 1)
      return add(query, this.mixer.forward(query, placed, placed))
    }
    const { out } = this.mixer.forward(x)
    return narrow(out, 1, T - 1)
  }
}
