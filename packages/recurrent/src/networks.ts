import { ConfigError, type Tensor3D } from '@filature/tensor'
import {
  type InitialState,
  RecurrentNetwork,
  type RecurrentOptions,
  type RecurrentOutput,
} from './recurrent-network.ts'

/** Elman 1990, as `torch.nn.RNN`: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. */
export class RNN extends RecurrentNetwork {
  static override readonly taps = ['l*.h']

  constructor(
    inputSize: number,
    hiddenSize: number,
    { nonlinearity = 'tanh', ...options }: RecurrentOptions & { nonlinearity?: 'tanh' | 'relu' } = {},
  ) {
    if (nonlinearity !== 'tanh' && nonlinearity !== 'relu') {
      throw new ConfigError('rnn-nonlinearity', `RNN: wanted the nonlinearity tanh or relu, got ${nonlinearity}.`)
    }
    super(nonlinearity, inputSize, hiddenSize, options)
  }

  /** x (T, B, I), h (L directions, B, H) -> out (T, B, directions H) and the last h; `lengths` (B) for padded rows */
  forward(x: Tensor3D, h?: Tensor3D, lengths?: ArrayLike<number>): RecurrentOutput {
    return this.run(x, { h }, lengths)
  }
}

/** Hochreiter and Schmidhuber 1997 with forget gate, as `torch.nn.LSTM`; gates in the order i, f, g, o. */
export class LSTM extends RecurrentNetwork {
  static override readonly taps = ['l*.i', 'l*.f', 'l*.g', 'l*.o', 'l*.c', 'l*.h']

  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super('lstm', inputSize, hiddenSize, options)
  }

  /** x (T, B, I), h and c (L directions, B, H) -> out (T, B, directions H), and the last h and c */
  forward(x: Tensor3D, state: InitialState = {}, lengths?: ArrayLike<number>): RecurrentOutput & { c: Tensor3D } {
    return this.run(x, state, lengths) as RecurrentOutput & { c: Tensor3D }
  }
}

/** Cho et al. 2014, as `torch.nn.GRU`: n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h. */
export class GRU extends RecurrentNetwork {
  static override readonly taps = ['l*.r', 'l*.z', 'l*.n', 'l*.h']

  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super('gru', inputSize, hiddenSize, options)
  }

  /** x (T, B, I), h (L directions, B, H) -> out (T, B, directions H) and the last h */
  forward(x: Tensor3D, h?: Tensor3D, lengths?: ArrayLike<number>): RecurrentOutput {
    return this.run(x, { h }, lengths)
  }
}
