import { Dropout, Embedding, Module, type Tensor2D, type Tensor3D, tensor, uniform } from '@filature/tensor'
import { GRU, LSTM } from '../networks.ts'
import type { Seq2SeqOptions } from './seq2seq-config.ts'

/** Sentences to read, padded on the right. */
export interface RecurrentSource {
  /** int32 (B, S) */
  ids: Tensor2D
  /** Tokens of each row, (B); all S when left out. */
  lengths?: ArrayLike<number> | undefined
}

/** Luong et al. 2015, section 4.1: embeddings begin within 0.1. */
export const embeddingInit = uniform(-0.1, 0.1)

export function recurrentNetwork(cell: 'gru' | 'lstm', input: number, hidden: number, options: object): GRU | LSTM {
  const all = { batch_first: true, ...options }
  return cell === 'gru' ? new GRU(input, hidden, all) : new LSTM(input, hidden, all)
}

/** Reads in both directions (Bahdanau et al. 2015, section 3.2). */
export class RecurrentEncoder extends Module {
  /** `memory` (B, S, C): forward states beside backward ones, zero after a row's end. */
  static override readonly taps = ['memory']
  readonly embed: Embedding
  readonly rnn: GRU | LSTM
  readonly dropout: Dropout

  constructor({ src_vocab, embedding_size: E, hidden_size: C, num_layers, cell, dropout }: Seq2SeqOptions) {
    super()
    this.embed = new Embedding(src_vocab, E, { init: embeddingInit })
    this.rnn = recurrentNetwork(cell, E, C / 2, { num_layers, dropout, bidirectional: true })
    this.dropout = new Dropout(dropout)
  }

  forward({ ids, lengths }: RecurrentSource): Tensor3D {
    const x = this.dropout.forward(this.embed.forward<Tensor3D>(ids)) // (B, S, E)
    const { out } = this.rnn instanceof GRU ? this.rnn.forward(x, undefined, lengths) : this.rnn.forward(x, {}, lengths)
    return this.tap('memory', out)
  }
}

/** 1 where a token counts, int32 (B, S); undefined where all do. */
export function maskOf({ ids, lengths }: RecurrentSource): Tensor2D | undefined {
  const [B, S] = ids.shape
  if (!lengths || Array.from(lengths).every((n) => n === S)) return undefined
  const mask = new Int32Array(B * S)
  for (let b = 0; b < B; b++) mask.fill(1, b * S, b * S + lengths[b]!)
  return tensor(mask, [B, S], 'int32') as Tensor2D
}
