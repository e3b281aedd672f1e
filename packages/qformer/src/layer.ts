import {
  activationNamed,
  add,
  ConfigError,
  concat,
  Dropout,
  type LayerCache,
  LayerNorm,
  Linear,
  Module,
  narrow,
  normal,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  zerosInit,
} from '@filature/tensor'
import { QFormerAttention } from './attention.ts'
import type { Options } from './config.ts'

export interface LayerInputs {
  /** Score bias of self-attention, broadcast to (B, H, T, S). */
  bias?: Tensor4D | undefined
  /** Score bias of cross-attention. */
  encoderBias?: Tensor4D | undefined
  encoderStates?: Tensor3D | undefined
  headMask?: Tensor | undefined
  /** How many positions of x, from the first, are queries. */
  queryLength: number
  cache?: LayerCache | undefined
}

/** The first half of a feed-forward layer: the memory's coefficients. (B, T, C) -> (B, T, F) */
class QFormerIntermediate extends Module {
  static override readonly taps = ['memory']
  readonly dense: Linear
  readonly #act: <T extends Tensor>(x: T) => T

  constructor(o: Options) {
    super()
    this.dense = new Linear(o.hidden_size, o.intermediate_size, {
      init: normal(o.initializer_range),
      biasInit: zerosInit,
    })
    this.#act = activationNamed(o.hidden_act)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.tap('memory', this.#act(this.dense.forward(x)))
  }
}

/** The second half, with residual and norm. (B, T, F) -> (B, T, C) */
class QFormerOutput extends Module {
  readonly dense: Linear
  readonly LayerNorm: LayerNorm
  readonly dropout: Dropout

  constructor(o: Options) {
    super()
    this.dense = new Linear(o.intermediate_size, o.hidden_size, {
      init: normal(o.initializer_range),
      biasInit: zerosInit,
    })
    this.LayerNorm = new LayerNorm(o.hidden_size, { eps: o.layer_norm_eps })
    this.dropout = new Dropout(o.hidden_dropout_prob)
  }

  forward(memory: Tensor3D, residual: Tensor3D): Tensor3D {
    return this.LayerNorm.forward(add(this.dropout.forward(this.dense.forward(memory)), residual))
  }
}

/**
 * One layer: self-attention over queries and text together; then the queries alone look at the encoder (in every
 * cross_attention_freq-th layer) and pass their own feed-forward layer, the text another.
 */
export class QFormerLayer extends Module {
  static override readonly taps = ['out']
  readonly attention: QFormerAttention
  readonly crossattention: QFormerAttention | undefined
  readonly intermediate: QFormerIntermediate | undefined
  readonly output: QFormerOutput | undefined
  readonly intermediate_query: QFormerIntermediate
  readonly output_query: QFormerOutput
  readonly #chunk: number

  constructor(o: Options, layer: number) {
    super()
    this.attention = new QFormerAttention(o, 'self', layer)
    if (o.add_cross_attention && layer % o.cross_attention_freq === 0) {
      this.crossattention = new QFormerAttention(o, 'cross', layer)
    }
    this.intermediate = o.text_branch ? new QFormerIntermediate(o) : undefined
    this.output = o.text_branch ? new QFormerOutput(o) : undefined
    this.intermediate_query = new QFormerIntermediate(o)
    this.output_query = new QFormerOutput(o)
    this.#chunk = o.chunk_size_feed_forward
  }

  /** x (B, T, C) -> (B, T, C) */
  forward(x: Tensor3D, { queryLength, ...inputs }: LayerInputs): Tensor3D {
    const { bias, headMask, cache } = inputs
    const attended = this.attention.forward(x, { bias, headMask, cache })
    const parts: Tensor3D[] = []
    if (queryLength > 0) {
      const queries = this.look(narrow(attended, 1, 0, queryLength), inputs)
      parts.push(this.feedForward(queries, this.intermediate_query, this.output_query))
    }
    if (attended.shape[1] > queryLength) {
      if (!this.intermediate || !this.output) {
        throw new ConfigError(
          'qformer-text',
          'QFormer: text was given to a model without a text branch (text_branch: false).',
        )
      }
      parts.push(this.feedForward(narrow(attended, 1, queryLength), this.intermediate, this.output))
    }
    return this.tap('out', parts.length === 1 ? parts[0]! : concat(parts, 1))
  }

  private look(
    queries: Tensor3D,
    { encoderStates, encoderBias, headMask }: Omit<LayerInputs, 'queryLength'>,
  ): Tensor3D {
    if (!this.crossattention) return queries
    if (!encoderStates) {
      throw new ConfigError(
        'qformer-encoder',
        'QFormer: this layer looks at an encoder, but encoder_hidden_states was not given; pass it with the queries.',
      )
    }
    return this.crossattention.forward(queries, { encoderStates, bias: encoderBias, headMask })
  }

  private feedForward(x: Tensor3D, up: QFormerIntermediate, down: QFormerOutput): Tensor3D {
    const T = x.shape[1]
    if (this.#chunk === 0) return down.forward(up.forward(x), x)
    if (T % this.#chunk !== 0) {
      throw new ConfigError(
        'qformer-chunk',
        `QFormer: a sequence of ${T} must divide by chunk_size_feed_forward ${this.#chunk}.`,
      )
    }
    const chunks = Array.from({ length: T / this.#chunk }, (_, i) => {
      const chunk = narrow(x, 1, i * this.#chunk, (i + 1) * this.#chunk)
      return down.forward(up.forward(chunk), chunk)
    })
    return concat(chunks, 1)
  }
}
