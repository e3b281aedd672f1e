import { AttentionModule, heldKeyValues, joinHeads, maskBias, splitHeads } from '@filature/attention'
import {
  add,
  Dropout,
  div,
  type LayerCache,
  Linear,
  Module,
  mean,
  mul,
  onesInit,
  Parameter,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  xavierUniform,
  zerosInit,
} from '@filature/tensor'

/** Options as `make_model` of the annotated Transformer names them. */
export interface AnnotatedConfig {
  src_vocab: number
  tgt_vocab: number
  /** Layers. */
  N?: number
  d_model?: number
  d_ff?: number
  /** Heads. */
  h?: number
  dropout?: number
  /** Rows of the position table; 5000 in the reference. */
  max_len?: number
  /** Id that fills up short sequences. */
  pad?: number
  label_smoothing?: number
}

export type AnnotatedOptions = Required<AnnotatedConfig>

/** Hidden scores become this, so that a row that sees nothing is uniform. */
const HIDDEN = -1e9

/** a_2 (x - mean) / (std + eps) + b_2, with the unbiased deviation and eps outside the root: not torch's layer norm. */
export class DeviationNorm extends Module {
  readonly a_2: Parameter
  readonly b_2: Parameter

  constructor(width: number) {
    super()
    this.a_2 = new Parameter([width], onesInit)
    this.b_2 = new Parameter([width], zerosInit)
  }

  forward(x: Tensor3D): Tensor3D {
    const centred = sub(x, mean(x, -1, true))
    const variance = div(sum(square(centred), -1, true), x.shape[2] - 1)
    return add(div(mul(centred, this.a_2.value), add(sqrt(variance), 1e-6)), this.b_2.value)
  }
}

/** x + dropout(layer(norm(x))) */
class SublayerConnection extends Module {
  readonly norm: DeviationNorm
  readonly dropout: Dropout

  constructor({ d_model, dropout }: AnnotatedOptions) {
    super()
    this.norm = new DeviationNorm(d_model)
    this.dropout = new Dropout(dropout)
  }

  forward(x: Tensor3D, layer: (x: Tensor3D) => Tensor3D): Tensor3D {
    return add(x, this.dropout.forward(layer(this.norm.forward(x))))
  }
}

export const linear = (ins: number, outs: number) => new Linear(ins, outs, { init: xavierUniform() })

/** linears: queries, keys, values, output. (B, T, C) to (B, S, C) -> (B, T, C) */
class MultiHeadedAttention extends AttentionModule {
  readonly linears: Linear[]
  readonly dropout: Dropout
  readonly #heads: number

  constructor({ d_model: C, h, dropout }: AnnotatedOptions) {
    super()
    this.linears = Array.from({ length: 4 }, () => linear(C, C))
    this.dropout = new Dropout(dropout)
    this.#heads = h
  }

  /** The projected keys and values of a sequence. */
  keyValues(x: Tensor3D): { k: Tensor4D; v: Tensor4D } {
    const [, key, value] = this.linears as [Linear, Linear, Linear]
    return { k: splitHeads(key.forward(x), this.#heads), v: splitHeads(value.forward(x), this.#heads) }
  }

  /** @param keep (B, T or 1, S) */
  forward(x: Tensor3D, { k, v }: { k: Tensor4D; v: Tensor4D }, keep?: Tensor): Tensor3D {
    const q = splitHeads(this.linears[0]!.forward(x), this.#heads)
    const bias = keep && maskBias(keep, HIDDEN)
    return this.linears[3]!.forward(joinHeads(this.attend(q, k, v, { bias, dropout: this.dropout.draw() })))
  }
}

/** Tap `memory` (B, T, F). */
class PositionwiseFeedForward extends Module {
  static override readonly taps = ['memory']
  readonly w_1: Linear
  readonly w_2: Linear
  readonly dropout: Dropout

  constructor({ d_model: C, d_ff: F, dropout }: AnnotatedOptions) {
    super()
    this.w_1 = new Linear(C, F, { init: xavierUniform(), activation: 'relu' })
    this.w_2 = linear(F, C)
    this.dropout = new Dropout(dropout)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.w_2.forward(this.dropout.forward(this.tap('memory', this.w_1.forward(x))))
  }
}

export class EncoderLayer extends Module {
  readonly self_attn: MultiHeadedAttention
  readonly feed_forward: PositionwiseFeedForward
  readonly sublayer: SublayerConnection[]

  constructor(options: AnnotatedOptions) {
    super()
    this.self_attn = new MultiHeadedAttention(options)
    this.feed_forward = new PositionwiseFeedForward(options)
    this.sublayer = Array.from({ length: 2 }, () => new SublayerConnection(options))
  }

  forward(x: Tensor3D, keep?: Tensor): Tensor3D {
    const [attention, feeding] = this.sublayer as [SublayerConnection, SublayerConnection]
    x = attention.forward(x, (y) => this.self_attn.forward(y, this.self_attn.keyValues(y), keep))
    return feeding.forward(x, (y) => this.feed_forward.forward(y))
  }
}

interface DecoderInputs {
  memory: Tensor3D
  sourceKeep: Tensor | undefined
  targetKeep: Tensor | undefined
  cache: LayerCache | undefined
}

export class DecoderLayer extends Module {
  readonly self_attn: MultiHeadedAttention
  readonly src_attn: MultiHeadedAttention
  readonly feed_forward: PositionwiseFeedForward
  readonly sublayer: SublayerConnection[]

  constructor(options: AnnotatedOptions) {
    super()
    this.self_attn = new MultiHeadedAttention(options)
    this.src_attn = new MultiHeadedAttention(options)
    this.feed_forward = new PositionwiseFeedForward(options)
    this.sublayer = Array.from({ length: 3 }, () => new SublayerConnection(options))
  }

  forward(x: Tensor3D, { memory, sourceKeep, targetKeep, cache }: DecoderInputs): Tensor3D {
    const [own, source, feeding] = this.sublayer as [SublayerConnection, SublayerConnection, SublayerConnection]
    x = own.forward(x, (y) => {
      const { k, v } = this.self_attn.keyValues(y)
      return this.self_attn.forward(y, cache?.append(k, v) ?? { k, v }, targetKeep)
    })
    x = source.forward(x, (y) =>
      this.src_attn.forward(
        y,
        heldKeyValues(cache, () => this.src_attn.keyValues(memory)),
        sourceKeep,
      ),
    )
    return feeding.forward(x, (y) => this.feed_forward.forward(y))
  }
}
