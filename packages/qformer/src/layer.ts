import {
  ConfigError,
  concat,
  type LayerCache,
  Module,
  narrow,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
} from '@filature/tensor'
import { BertAttention, BertIntermediate, BertOutput } from '@filature/transformer'
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

/**
 * One layer: self-attention over queries and text together; then the queries alone look at the encoder (in every
 * cross_attention_freq-th layer) and pass their own feed-forward layer, the text another.
 */
export class QFormerLayer extends Module {
  static override readonly taps = ['out']
  readonly attention: BertAttention
  readonly crossattention: BertAttention | undefined
  readonly intermediate: BertIntermediate | undefined
  readonly output: BertOutput | undefined
  readonly intermediate_query: BertIntermediate
  readonly output_query: BertOutput
  readonly #chunk: number

  constructor(o: Options, layer: number) {
    super()
    this.attention = new BertAttention(o, { pruned: o.pruned_heads[layer] })
    if (o.add_cross_attention && layer % o.cross_attention_freq === 0) {
      this.crossattention = new BertAttention(o, { sourceWidth: o.encoder_width })
    }
    this.intermediate = o.text_branch ? new BertIntermediate(o) : undefined
    this.output = o.text_branch ? new BertOutput(o.intermediate_size, o) : undefined
    this.intermediate_query = new BertIntermediate(o)
    this.output_query = new BertOutput(o.intermediate_size, o)
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
    return this.crossattention.forward(queries, { source: encoderStates, bias: encoderBias, headMask })
  }

  private feedForward(x: Tensor3D, up: BertIntermediate, down: BertOutput): Tensor3D {
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
