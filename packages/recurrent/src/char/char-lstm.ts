import { Embedding, Linear, Module, type Tensor2D, type Tensor3D } from '@filature/tensor'
import { LSTM } from '../networks.ts'
import type { CharModel, CharState } from './char-model.ts'

export interface CharLSTMConfig {
  vocab_size: number
  embedding_size?: number
  hidden_size?: number
  num_layers?: number
  /** Between layers, while training. */
  dropout?: number
}

/** The character model of today: embedding, LSTM, linear head. */
export class CharLSTM extends Module implements CharModel {
  static override readonly taps = ['hidden']
  readonly vocabularySize: number
  readonly embed: Embedding
  readonly lstm: LSTM
  readonly head: Linear

  constructor(config: CharLSTMConfig) {
    super()
    const { vocab_size: V, embedding_size: E = 64, hidden_size: H = 128, num_layers = 1, dropout = 0 } = config
    this.vocabularySize = V
    this.embed = new Embedding(V, E)
    this.lstm = new LSTM(E, H, { num_layers, dropout })
    this.head = new Linear(H, V)
  }

  /** ids (T, B), state h and c (L, B, H) -> logits (T, B, V) */
  read(ids: Tensor2D, state: CharState = {}): { logits: Tensor3D; state: CharState } {
    const x = this.embed.forward<Tensor3D>(ids) // (T, B, E)
    const { out, h, c } = this.lstm.forward(x, state as { h?: Tensor3D; c?: Tensor3D })
    return { logits: this.head.forward(this.tap('hidden', out)), state: { h, c } }
  }
}
