import {
  linear,
  Module,
  normal,
  oneHot,
  Parameter,
  recurrent,
  reshape,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  zeros,
  zerosInit,
} from '@filature/tensor'
import type { CharModel, CharState } from './char-model.ts'

export interface CharRNNConfig {
  vocab_size: number
  /** 100 in the classic run. */
  hidden_size?: number
}

/**
 * The classic character RNN, min-char-rnn (A. Karpathy 2015): h' = tanh(Wxh x + Whh h + bh), y = Why h + by, x one-hot.
 * Weights are its own: columns as vectors, deviation 0.01, biases zero.
 */
export class CharRNN extends Module implements CharModel {
  static override readonly taps = ['hidden']
  readonly vocabularySize: number
  readonly Wxh: Parameter
  readonly Whh: Parameter
  readonly Why: Parameter
  readonly bh: Parameter
  readonly by: Parameter

  constructor({ vocab_size: V, hidden_size: H = 100 }: CharRNNConfig) {
    super()
    this.vocabularySize = V
    this.Wxh = new Parameter([H, V], normal(0.01))
    this.Whh = new Parameter([H, H], normal(0.01))
    this.Why = new Parameter([V, H], normal(0.01))
    this.bh = new Parameter([H, 1], zerosInit)
    this.by = new Parameter([V, 1], zerosInit)
  }

  /** ids (T, B), state.h (B, H) -> logits (T, B, V) */
  read(ids: Tensor2D, state?: CharState): { logits: Tensor3D; state: CharState } {
    const H = this.Whh.shape[0]!
    const x = oneHot(ids, this.vocabularySize) as Tensor3D // (T, B, V)
    const h = (state?.h ?? zeros([ids.shape[1], H])) as Tensor2D
    const weights = { w_ih: this.Wxh.value, w_hh: this.Whh.value, b_ih: reshape(this.bh.value, [H]) }
    const { out, h: last } = recurrent('tanh', x, { h }, weights)
    const hidden = this.tap('hidden', out) // (T, B, H)
    const bias: Tensor = reshape(this.by.value, [this.vocabularySize])
    return { logits: linear(hidden, this.Why.value as Tensor2D, bias as never), state: { h: last } }
  }
}
